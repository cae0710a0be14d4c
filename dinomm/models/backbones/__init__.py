"""Backbones: mmpretrain's, and subclasses for what is missing."""

from .vision_transformer import DINOVisionTransformer

__all__ = ['DINOVisionTransformer']
