"""Heads: one objective each."""

from .dino_head import DINOHead
from .gram_head import GramHead
from .koleo_head import KoLeoHead
from .masked_patch_head import MaskedPatchHead
from .region_head import RegionMatchingHead

__all__ = ['DINOHead', 'GramHead', 'KoLeoHead', 'MaskedPatchHead', 'RegionMatchingHead']
