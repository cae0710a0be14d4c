"""Operators for modules of mmdet that were imported before the stand-ins were provided."""

from __future__ import annotations

import importlib
import re
import sys
from types import CodeType, ModuleType
from typing import Any

OPERATOR_MODULES = ('mmcv.ops', 'mmcv.ops.merge_cells')
MESSAGE = re.compile(r'(\w+) requires mmcv to be compiled with ops')


def replace_placeholders() -> None:
    """Puts mmcv's operators where mmdet has placeholders for them.

    onedl-mmdetection puts a function or class that only raises in the place of an operator which
    cannot be imported, and keeps it for the rest of the process.
    """
    for name, module in list(sys.modules.items()):
        if name.startswith('mmdet.'):
            replace_in(module)


def replace_in(module: ModuleType) -> None:
    """Replaces the placeholders among the names of one module."""
    for name, value in list(vars(module).items()):
        operator = stands_for(value)
        if operator:
            setattr(module, name, find_operator(operator) or value)


def find_operator(name: str) -> Any | None:
    """Returns mmcv's operator or layer of this name, None if there is none."""
    modules = map(importlib.import_module, OPERATOR_MODULES)
    return next((vars(module)[name] for module in modules if name in vars(module)), None)


def stands_for(value: Any) -> str | None:
    """Returns the name of the operator that a placeholder says it is one for, else None."""
    function = vars(value).get('__init__') if isinstance(value, type) else value
    code = getattr(function, '__code__', None)
    if not isinstance(code, CodeType):
        return None
    messages = [constant for constant in code.co_consts if isinstance(constant, str)]
    matches = [match for match in map(MESSAGE.match, messages) if match]
    return matches[0].group(1) if matches else None
