"""Weights: safe loading, coverage, one converter file a foreign format."""

from .coverage import Coverage, compare_weights
from .files import load_file, register

register()

__all__ = ['Coverage', 'compare_weights', 'load_file']
