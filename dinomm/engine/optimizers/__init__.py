"""Optimizer wrappers and their constructor."""

from .constructor import TwoGroupConstructor
from .wrapper import DINOAmpOptimWrapper, DINOOptimWrapper

__all__ = ['DINOAmpOptimWrapper', 'DINOOptimWrapper', 'TwoGroupConstructor']
