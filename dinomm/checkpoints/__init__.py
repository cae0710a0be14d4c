"""Weights: safe loading, coverage, one converter file a foreign format."""

from .conversion import Conversion, convert
from .coverage import Coverage, compare_weights
from .files import load_file, register

register()

__all__ = ['Conversion', 'Coverage', 'compare_weights', 'convert', 'load_file']
