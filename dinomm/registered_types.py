"""Looks types up in all registries of a scope, without building anything."""

from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
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
    try:
        if not rest:
            return [types[name] for types in _inherited_types(scope) if name in types]
        if package in SCOPES:
            registered = [types[rest] for types in _own_types(package) if rest in types]
            if registered:
                return registered
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
    for registry in _registries(scope):
        if registry.scope == scope:
            registry.import_from_location()
            yield registry.module_dict


def _inherited_types(scope: str) -> Iterator[dict[str, Callable]]:
    """What each registry of a scope finds by a bare name."""
    for registry in _registries(scope):
        registry.import_from_location()
        types: dict[str, Callable] = {}
        ancestor: Registry | None = registry
        while ancestor is not None:
            types = {**ancestor.module_dict, **types}
            ancestor = ancestor.parent
        yield types


def _registries(scope: str) -> list[Registry]:
    """The registries that build in a scope; one that the scope lacks is mmengine's."""
    if find_spec(scope) is None:
        raise CannotTellError(f'{scope} is not installed')
    import_module(f'{scope}.registry')
    return [root.children.get(scope, root) for root in _roots()]


def _roots() -> list[Registry]:
    """mmengine's registries, models first, and those that mmpretrain derives from none."""
    import mmpretrain.registry

    modules = (mmengine.registry, mmpretrain.registry)
    found = [r for m in modules for r in vars(m).values() if isinstance(r, Registry)]
    roots = {id(r): r for r in found if r.parent is None}.values()
    return sorted(roots, key=lambda root: root.name != 'model')
