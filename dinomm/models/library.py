"""Importing this imports mmpretrain's models, without mmdet.

They import mmdet, if it is installed, only to extend it by a layer. That takes seconds, and prints
warnings where mmcv has no compiled operators.
"""

import importlib
import sys


def import_models() -> None:
    """Registers mmpretrain's models; mmdet is left out unless it was imported before."""
    if 'mmdet' in sys.modules:
        importlib.import_module('mmpretrain.models')
        return
    sys.modules['mmdet'] = None  # type: ignore[assignment]  # importing it is an ImportError
    try:
        importlib.import_module('mmpretrain.models')
    finally:
        del sys.modules['mmdet']


import_models()
