"""From image files to batches of views."""

from .image_files import ImageFiles
from .samplers import EpochSampler, SampleKey
from .transforms import CenterView, LoadImage, MultiCrop, PackViews, collate_views

__all__ = [
    'CenterView',
    'EpochSampler',
    'ImageFiles',
    'LoadImage',
    'MultiCrop',
    'PackViews',
    'SampleKey',
    'collate_views',
]
