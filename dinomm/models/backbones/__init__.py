"""Backbones: mmpretrain's, and subclasses for what is missing."""

from .swin_attention import speed_up
from .vision_transformer import DINOVisionTransformer

__all__ = ['DINOVisionTransformer', 'speed_up']
