"""mmpretrain's language models, which are of transformers 4, left out where a newer one is."""

import importlib.abc
import importlib.machinery
import sys
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any

SWITCH = 'mmpretrain.utils.dependency'
"""The module that says whether mmpretrain has language models."""


def leave_out_language_models() -> None:
    """Lets mmpretrain's models, and so mmdet's, be imported beside transformers 5 or newer.

    mmpretrain believes that it can serve any newer version; its import then fails. Nothing is
    imported here: the switch is turned when somebody imports it.
    """
    try:
        newer = int(version('transformers').partition('.')[0]) >= 5
    except PackageNotFoundError:
        return
    if not newer:
        return
    if SWITCH in sys.modules:
        turn_off(sys.modules[SWITCH])
    elif not any(isinstance(finder, SwitchFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, SwitchFinder())


def turn_off(module: Any) -> None:
    """Says that there are no language models."""
    module.WITH_MULTIMODAL = False


class SwitchFinder(importlib.abc.MetaPathFinder):
    """Finds the switch where it is, to turn it as soon as it is loaded."""

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> Any:
        """The module's own spec with another loader, None for every other name."""
        if fullname != SWITCH:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            spec.loader = SwitchLoader(spec.loader)
        return spec


class SwitchLoader(importlib.abc.Loader):
    """Loads as ``loader`` does, then turns the switch."""

    def __init__(self, loader: importlib.abc.Loader):
        self.loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """As the loader."""
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """As the loader, and after it the switch."""
        self.loader.exec_module(module)
        turn_off(module)
