"""Importing this imports mmpretrain's models, without mmdet.

They import mmdet, if it is installed, only to extend it by a layer. That takes seconds, and prints
warnings where mmcv has no compiled operators.
"""

import importlib
import sys
from types import ModuleType

from dinomm.language_models import leave_out_language_models


def import_backbones() -> ModuleType:
    """mmpretrain's models are registered; mmdet is left out unless it was imported before."""
    name = 'mmpretrain.models.backbones'
    if 'mmdet' in sys.modules:
        return importlib.import_module(name)
    sys.modules['mmdet'] = None  # type: ignore[assignment]  # importing it is an ImportError
    try:
        return importlib.import_module(name)
    finally:
        del sys.modules['mmdet']


leave_out_language_models()
backbones = import_backbones()
