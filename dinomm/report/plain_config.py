"""Reads the config that a Runner wrote beside its log, as data: nothing in it is executed."""

import ast
import math
from pathlib import Path
from typing import Any

NAMES = {'inf': math.inf, 'nan': math.nan}


def read_plain_config(path: str | Path) -> dict[str, Any]:
    """Top-level keys and their values.

    Takes what mmengine writes: assignments of literals, and of ``dict(key=literal, ...)``.

    Raises:
        ValueError: It holds anything else.
    """
    path = Path(path)
    try:
        statements = ast.parse(path.read_text(encoding='utf-8')).body
    except (SyntaxError, ValueError, RecursionError) as error:  # null bytes are a ValueError
        raise ValueError(f'config {path} cannot be read: {error}') from None
    try:
        return _assignments(statements, path)
    except (TypeError, RecursionError) as error:
        raise ValueError(f'config {path} cannot be read: {error}') from None


def _assignments(statements: list[ast.stmt], path: Path) -> dict[str, Any]:
    config = {}
    for statement in statements:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                config[name] = _value(value, path)
            case ast.Expr(value=ast.Constant()):
                pass
            case _:
                raise _unexpected(statement, path)
    return config


def _value(node: ast.expr, path: Path) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            number = _value(operand, path)
            if isinstance(number, int | float):
                return -number
        case ast.Name(id=name) if name in NAMES:
            return NAMES[name]
        case ast.List(elts=items):
            return [_value(item, path) for item in items]
        case ast.Tuple(elts=items):
            return tuple(_value(item, path) for item in items)
        case ast.Set(elts=items):
            return {_value(item, path) for item in items}
        case ast.Dict(keys=keys, values=values) if None not in keys:
            return {
                _value(key, path): _value(value, path)
                for key, value in zip(keys, values, strict=True)
                if key is not None
            }
        case ast.Call(func=ast.Name(id='dict'), args=[], keywords=keywords):
            return {k.arg: _value(k.value, path) for k in keywords if k.arg is not None}
        case ast.Call(func=ast.Name(id='dict'), args=[ast.Dict() as mapping], keywords=[]):
            return _value(mapping, path)
    raise _unexpected(node, path)


def _unexpected(node: ast.stmt | ast.expr, path: Path) -> ValueError:
    return ValueError(
        f'config {path}, line {node.lineno}, holds code: expected the literals that a run writes '
        'as <timestamp>/vis_data/config.py'
    )
