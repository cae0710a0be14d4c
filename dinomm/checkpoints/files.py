"""Reading and writing files of weights: data, never code; whole, or not at all."""

import os
import pickle
import re
from pathlib import Path
from typing import Any

import torch
from mmengine.fileio import LocalBackend, register_backend
from mmengine.runner import CheckpointLoader


def load_file(path: str | Path, map_location: Any = 'cpu') -> dict:
    """Reads a file of tensors and plain data without executing anything in it.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no checkpoint, is cut short, or would run code when unpickled.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'checkpoint {path} does not exist')
    try:
        content = torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r'GLOBAL (\S+)', str(error))
        what = f' ({found[1]})' if found else ''
        raise ValueError(
            f'checkpoint {path} is no file of weights, or holds more than tensors and plain '
            f'data{what}, which would be executed as code: refused. Convert it where you trust it'
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError) as error:
        raise ValueError(
            f'checkpoint {path} cannot be read, it is damaged or no checkpoint: '
            f'{str(error).splitlines()[0].split(". ")[0]}'
        ) from None
    if not isinstance(content, dict):
        raise ValueError(
            f'checkpoint {path} holds a {type(content).__name__}: expected a dict of weights'
        )
    return content


class AtomicLocalBackend(LocalBackend):
    """Writes to a temporary name, flushes, renames: a kill leaves the former file or the new."""

    def put(self, obj: bytes | memoryview, filepath: str | Path) -> None:
        """Writes ``obj`` to ``filepath``."""
        filepath = Path(filepath)
        filepath.parent.mkdir(parents=True, exist_ok=True)
        partial = filepath.with_name(f'.{filepath.name}.{os.getpid()}.partial')
        try:
            with open(partial, 'wb') as file:
                file.write(obj)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, filepath)
        finally:
            partial.unlink(missing_ok=True)


def register() -> None:
    """Makes the Runner read local files by :func:`load_file` and know the backend 'atomic'."""
    CheckpointLoader.register_scheme(prefixes='', loader=_load_for_runner, force=True)
    register_backend('atomic', AtomicLocalBackend, force=True)


def _load_for_runner(filename: str, map_location: Any = None) -> dict:
    return load_file(filename, map_location)
