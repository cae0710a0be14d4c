"""Models: the algorithm, its heads, centerings and backbones; parts of detectors.

Importing mmpretrain's models registers what configs name without a prefix.
"""

from . import mmpretrain_models  # noqa: F401
from .backbones import DINOVisionTransformer, FastSwinTransformer, ViTFeatureMap
from .centering import MeanCentering, SinkhornKnopp
from .heads import DINOHead, GramHead, KoLeoHead, MaskedPatchHead, RegionMatchingHead
from .masking import PatchMasking
from .necks import SimpleFeaturePyramid
from .preprocessor import MultiCropPreprocessor, ViewGroup
from .self_distillation import SelfDistillation
from .tokens import Tokens, encode, encode_groups

__all__ = [
    'DINOHead',
    'DINOVisionTransformer',
    'FastSwinTransformer',
    'GramHead',
    'KoLeoHead',
    'MaskedPatchHead',
    'MeanCentering',
    'MultiCropPreprocessor',
    'PatchMasking',
    'RegionMatchingHead',
    'SelfDistillation',
    'SimpleFeaturePyramid',
    'SinkhornKnopp',
    'Tokens',
    'ViTFeatureMap',
    'ViewGroup',
    'encode',
    'encode_groups',
]
