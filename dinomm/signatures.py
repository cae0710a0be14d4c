"""Which keyword arguments a class or function takes."""

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any


def accepted_arguments(target: Callable[..., Any]) -> set[str] | None:
    """Names of the keyword arguments that ``target`` takes.

    A constructor's ``**kwargs`` is followed to the next constructor in the method resolution
    order if all that it does with them is ``super().__init__(..., **kwargs)``.

    Returns:
        None if any name is taken, or it cannot be told.
    """
    try:
        return _of_class(target) if inspect.isclass(target) else _of_function(target)[0]
    except (TypeError, ValueError, OSError, SyntaxError):  # built in, or without source
        return None


def _of_class(cls: type) -> set[str] | None:
    if cls.__new__ is not object.__new__:
        return None
    names: set[str] = set()
    for ancestor in cls.__mro__:
        constructor = ancestor.__dict__.get('__init__')
        if constructor is None or ancestor is object:
            continue
        if hasattr(constructor, '__wrapped__'):  # a decorator may take other names
            return None
        found, rest = _of_function(constructor)
        if found is not None:
            return names | found
        if not _only_passes_on(constructor, rest, ancestor.__name__):
            return None
        names |= named_parameters(constructor)
    return names


def _of_function(function: Callable[..., Any]) -> tuple[set[str] | None, str]:
    """Its names, or None and the name of its ``**`` parameter."""
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            return None, parameter.name
    return named_parameters(function), ''


def named_parameters(function: Callable[..., Any]) -> set[str]:
    """Names of a function's parameters, without ``self`` and the ``**`` one."""
    return {
        parameter.name
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    } - {'self'}


def _only_passes_on(constructor: Callable[..., Any], name: str, owner: str) -> bool:
    tree = ast.parse(textwrap.dedent(inspect.getsource(constructor)))
    uses = sum(isinstance(node, ast.Name) and node.id == name for node in ast.walk(tree))
    return uses == 1 and any(
        isinstance(node, ast.Call)
        and ast.unparse(node.func) in ('super().__init__', f'super({owner}, self).__init__')
        and any(k.arg is None and ast.unparse(k.value) == name for k in node.keywords)
        for node in ast.walk(tree)
    )
