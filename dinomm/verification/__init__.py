"""Golden vectors of the published implementations, run through dinomm's own code.

A check takes the opened arrays of one file and yields one :class:`Result` a quantity.
"""

from .result import Result, compare
from .run import CHECKS, verify

__all__ = ['CHECKS', 'Result', 'compare', 'verify']
