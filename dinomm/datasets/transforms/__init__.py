"""Transforms of one sample: decode, cut views, pack."""

from .center_view import CenterView
from .formatting import PackViews, collate_views
from .loading import BrokenImageError, LoadImage
from .multi_crop import MultiCrop

__all__ = ['BrokenImageError', 'CenterView', 'LoadImage', 'MultiCrop', 'PackViews', 'collate_views']
