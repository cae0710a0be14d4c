"""Reads pickles that hold plain data, and runs nothing of what they name.

A pickle is a program: it names functions and calls them. This reader knows stand-ins for the few
that numpy's arrays are stored with, and refuses every other name, so that a file from elsewhere
stays data.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

NUMBERS = 'biuf'  # kinds of numpy's types: booleans, integers, floats


class _Type:
    """Stands in for numpy.dtype."""

    def __init__(self, code: str = '', *_: Any) -> None:
        self.code = code
        self.order: Any = '='

    def __setstate__(self, state: tuple) -> None:
        self.order = state[1]

    def numpy(self) -> np.dtype:
        dtype = np.dtype(str(self.code))
        if dtype.kind not in NUMBERS:
            raise pickle.UnpicklingError(f'arrays of type {dtype}')
        return dtype.newbyteorder(self.order)


class _Array:
    """Stands in for numpy.ndarray."""

    def __init__(self, *_: Any) -> None:
        self.array = np.empty(0)

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, is_fortran, content = state
        self.fill(content, dtype, shape, 'F' if is_fortran else 'C')

    def fill(self, content: str | bytes, dtype: _Type, shape: tuple, order: Any) -> None:
        self.array = np.ndarray(shape, dtype.numpy(), _bytes(content), order=order)


def _bytes(content: str | bytes) -> bytes:
    return content.encode('latin1') if isinstance(content, str) else content


def _scalar(dtype: _Type, content: str | bytes) -> Any:
    return np.frombuffer(_bytes(content), dtype.numpy())[0].item()


def _from_buffer(content: bytes, dtype: _Type, shape: tuple, order: Any, *_: Any) -> _Array:
    array = _Array()
    array.fill(content, dtype, shape, order)
    return array


def _encode(text: str, *_: Any) -> bytes:
    return text.encode('latin1')


def _empty_bytes() -> bytes:
    return b''


STAND_INS: dict[tuple[str, str], Any] = {('_codecs', 'encode'): _encode}
for _core in ('numpy.core', 'numpy._core'):
    STAND_INS[f'{_core}.multiarray', '_reconstruct'] = _Array
    STAND_INS[f'{_core}.multiarray', 'scalar'] = _scalar
    STAND_INS[f'{_core}.numeric', '_frombuffer'] = _from_buffer
for _builtins in ('__builtin__', 'builtins'):
    STAND_INS[_builtins, 'bytes'] = _empty_bytes
STAND_INS['numpy', 'ndarray'] = _Array
STAND_INS['numpy', 'dtype'] = _Type


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in STAND_INS:
            raise pickle.UnpicklingError(f'{module}.{name}')
        return STAND_INS[module, name]


def load_plain_pickle(path: str | Path) -> Any:
    """Lists, tuples, dicts, numbers, strings and arrays of numbers; pickles of Python 2 too.

    Raises:
        ValueError: The file is no pickle, or holds something else. Nothing of it was run.
    """
    try:
        content = _PlainUnpickler(io.BytesIO(Path(path).read_bytes()), encoding='latin1').load()
        return _without_stand_ins(content)
    except OSError:
        raise
    except Exception as error:  # a damaged or hostile pickle raises nearly everything
        raise ValueError(
            f'{path} is no pickle of plain data ({type(error).__name__}: {error}): expected lists, '
            'dicts, numbers, strings and arrays of numbers; nothing in it was run'
        ) from None


def _without_stand_ins(value: Any) -> Any:
    if isinstance(value, _Array):
        return value.array
    if isinstance(value, dict):
        return {key: _without_stand_ins(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_without_stand_ins(item) for item in value)
    if value is None or isinstance(value, str | bytes | bool | int | float):
        return value
    raise pickle.UnpicklingError(f'a {type(value).__name__}')
