"""Backbones: mmpretrain's, and subclasses for what is missing."""

from .fast_swin_transformer import FastSwinTransformer
from .swin_attention import speed_up
from .vision_transformer import DINOVisionTransformer
from .vit_feature_map import ViTFeatureMap

__all__ = ['DINOVisionTransformer', 'FastSwinTransformer', 'ViTFeatureMap', 'speed_up']
