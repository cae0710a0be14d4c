"""Models: the algorithm, its heads, centerings and backbones.

Importing mmpretrain's models registers what configs name without a prefix.
"""

import mmpretrain.models  # noqa: F401

from .backbones import DINOVisionTransformer
from .centering import MeanCentering
from .heads import DINOHead, RegionMatchingHead
from .preprocessor import MultiCropPreprocessor, ViewGroup
from .self_distillation import SelfDistillation
from .tokens import Tokens, encode

__all__ = [
    'DINOHead',
    'DINOVisionTransformer',
    'MeanCentering',
    'MultiCropPreprocessor',
    'RegionMatchingHead',
    'SelfDistillation',
    'Tokens',
    'ViewGroup',
    'encode',
]
