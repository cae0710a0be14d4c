"""Pictures of what goes into a network and of what it learned, one file each."""

from .crops import crop_sheet
from .curves import training_curves

__all__ = ['crop_sheet', 'training_curves']
