"""Heads: one objective each."""

from .dino_head import DINOHead
from .region_head import RegionMatchingHead

__all__ = ['DINOHead', 'RegionMatchingHead']
