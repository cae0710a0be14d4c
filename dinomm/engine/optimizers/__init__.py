"""Optimizers, their wrappers and the constructor of both."""

from .constructor import TwoGroupConstructor
from .lars import LARS
from .wrapper import DINOAmpOptimWrapper, DINOOptimWrapper

__all__ = ['LARS', 'DINOAmpOptimWrapper', 'DINOOptimWrapper', 'TwoGroupConstructor']
