"""Importing this imports mmpretrain's backbones, without mmdet and its models of text.

They import mmdet, if it is installed, only to extend it by a layer. That takes seconds, and prints
warnings where mmcv has no compiled operators. Its models of text take seconds too where
transformers is installed, and end in an error if that is version 5.
"""

import importlib
import sys
from types import ModuleType

from mmpretrain.utils import dependency


def import_backbones() -> ModuleType:
    """mmpretrain's models are registered; mmdet is left out unless it was imported before."""
    name = 'mmpretrain.models.backbones'
    with_text = dependency.WITH_MULTIMODAL
    dependency.WITH_MULTIMODAL = False
    leave_out = 'mmdet' not in sys.modules
    if leave_out:
        sys.modules['mmdet'] = None  # type: ignore[assignment]  # importing it is an ImportError
    try:
        return importlib.import_module(name)
    finally:
        dependency.WITH_MULTIMODAL = with_text
        if leave_out:
            del sys.modules['mmdet']


backbones = import_backbones()
