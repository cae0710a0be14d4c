"""Looks types up in all registries of a scope, without building anything."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib import import_module
from typing import Any

import mmengine.registry
from mmengine.config.utils import MODULE2PACKAGE
from mmengine.registry import Registry
from mmengine.utils import get_object_from_string

SCOPES = {'dinomm', 'mmengine', *MODULE2PACKAGE}


class CannotTellError(Exception):
    """A package is not installed, or fails to import."""


def types_named(name: str, scope: str) -> list[Callable[..., Any]]:
    """Classes and functions that the ``type`` of a config may stand for; empty if none.

    Args:
        name: 'SwinTransformer', 'mmpretrain.SwinTransformer' or 'torch.optim.AdamW'.
        scope: Where a bare name is looked up; its registries fall back on their parents.

    Raises:
        CannotTellError: The package of the name is not installed, or fails to import.
    """
    package, _, rest = name.partition('.')
    if not rest:
        return [types[name] for types in _inherited_types(scope) if name in types]
    if package in SCOPES:
        registered = [types[rest] for types in _own_types(package) if rest in types]
        if registered:
            return registered
    try:
        found = get_object_from_string(name)
    except Exception as error:  # whatever the import of a package may raise
        raise CannotTellError(f'{name}: {error}') from error
    return [found] if callable(found) else []


def known_names(name: str, scope: str) -> set[str]:
    """What ``name``, which is not registered, may be a misspelling of."""
    bare = {known for types in _inherited_types(scope) for known in types}
    elsewhere = {
        f'{child.scope}.{known}'
        for root in _roots()
        for child in root.children.values()
        for known in child.module_dict
    }
    return elsewhere if '.' in name else bare | {n for n in elsewhere if n.endswith(f'.{name}')}


def _own_types(scope: str) -> Iterator[dict[str, Callable]]:
    """What each registry of a scope holds itself."""
    return (r.module_dict for r in _registries(scope) if r.scope == scope)


def _inherited_types(scope: str) -> Iterator[dict[str, Callable]]:
    """What each registry of a scope finds by a bare name."""
    for registry in _registries(scope):
        types: dict[str, Callable] = {}
        ancestor: Registry | None = registry
        while ancestor is not None:
            types = {**ancestor.module_dict, **types}
            ancestor = ancestor.parent
        yield types


def _registries(scope: str) -> list[Registry]:
    """The registries that build in a scope, filled; one that the scope lacks is mmengine's."""
    if error := _import_types(scope):
        raise CannotTellError(f'{scope}: {error}') from error
    return [root.children.get(scope, root) for root in _roots()]


@lru_cache
def _import_types(scope: str) -> Exception | None:
    """Imports the modules that fill a scope's registries, once; returns what failed."""
    try:
        import_module(f'{scope}.registry')
        for root in _roots():
            root.children.get(scope, root).import_from_location()
    except Exception as error:  # whatever the import of a package may raise
        return error
    return None


def _roots() -> list[Registry]:
    """mmengine's registries and those that mmpretrain derives from none."""
    import mmpretrain.registry

    modules = (mmengine.registry, mmpretrain.registry)
    found = [r for m in modules for r in vars(m).values() if isinstance(r, Registry)]
    return list({id(r): r for r in found if r.parent is None}.values())
