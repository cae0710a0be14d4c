"""Models: the algorithm, its heads, centerings and backbones; parts of detectors.

Importing mmpretrain's models registers what configs name without a prefix.
"""

from . import mmpretrain_models  # noqa: F401
from .backbones import DINOVisionTransformer, FastSwinTransformer, ViTFeatureMap
from .centering import MeanCentering
from .heads import DINOHead, RegionMatchingHead
from .necks import SimpleFeaturePyramid
from .preprocessor import MultiCropPreprocessor, ViewGroup
from .self_distillation import SelfDistillation
from .tokens import Tokens, encode, encode_groups

__all__ = [
    'DINOHead',
    'DINOVisionTransformer',
    'FastSwinTransformer',
    'MeanCentering',
    'MultiCropPreprocessor',
    'RegionMatchingHead',
    'SelfDistillation',
    'SimpleFeaturePyramid',
    'Tokens',
    'ViTFeatureMap',
    'ViewGroup',
    'encode',
    'encode_groups',
]
