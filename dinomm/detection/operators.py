"""mmcv's operators where mmcv has none compiled: torchvision's and torch's stand in for them.

mmdet cannot be imported without the extension module `mmcv._ext`, and pip installs an mmcv that
lacks it. The module made here offers the operators of common detectors.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import multiprocessing
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from .placeholders import replace_placeholders

EXTENSION = 'mmcv._ext'


def provide_operators() -> None:
    """Lets `mmcv._ext` be imported where mmcv comes without it.

    A compiled one always takes precedence, and is not touched. The stand-ins are loaded, and one
    warning given, when mmcv's operators are first imported. Modules of mmdet that were imported
    before and found no operators get them now.
    """
    if not any(isinstance(finder, StandInFinder) for finder in sys.meta_path):
        sys.meta_path.append(StandInFinder())
    replace_placeholders()


def has_compiled_operators() -> bool:
    """Says whether the installed mmcv has operators of its own; imports nothing."""
    mmcv = importlib.util.find_spec('mmcv')
    if mmcv is None:
        return False
    folders = mmcv.submodule_search_locations
    return importlib.machinery.PathFinder.find_spec(EXTENSION, folders) is not None


class StandInFinder(importlib.abc.MetaPathFinder):
    """Finds `mmcv._ext` after every other finder has failed to."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Returns what makes the module, None for every other name."""
        if fullname != EXTENSION:
            return None
        return importlib.machinery.ModuleSpec(fullname, StandInLoader())


class StandInLoader(importlib.abc.Loader):
    """Makes the module of the stand-ins."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """Returns the empty module."""
        return StandIns(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Fills it with the stand-ins, and says so in the first process."""
        from . import operator_functions

        vars(module).update(
            {name: getattr(operator_functions, name) for name in operator_functions.__all__}
        )
        if is_first_process():
            warnings.warn(
                'mmcv has no compiled operators here: those of torch and torchvision stand in for '
                f'{", ".join(operator_functions.DETECTORS_USE)}.',
                stacklevel=2,
            )


class StandIns(ModuleType):
    """A module in which every further operator is a function that says what is missing."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith('__'):
            raise AttributeError(f'module {self.__name__!r} has no attribute {name!r}')

        def missing(*args: Any, **kwargs: Any) -> Any:
            raise NotImplementedError(
                f'The operator {name} has no stand-in and mmcv is installed without compiled '
                'operators: install an mmcv that was compiled for this torch (see '
                'https://mmcv.readthedocs.io/en/latest/get_started/installation.html), or use a '
                'detector without this operator.'
            )

        return missing


def is_first_process() -> bool:
    """Says whether this is neither a data worker nor a rank other than the first."""
    return os.environ.get('RANK', '0') == '0' and multiprocessing.parent_process() is None
