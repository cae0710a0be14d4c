"""Reading and writing files of weights: data, never code; whole, or not at all."""

import argparse
import io
import os
import pickle
import re
from pathlib import Path
from typing import Any

import torch
from mmengine.fileio import LocalBackend, register_backend
from mmengine.runner import CheckpointLoader


def load_file(path: str | Path, map_location: Any = 'cpu', mmap: bool = False) -> dict:
    """Reads a file of tensors and plain data without executing anything in it.

    Args:
        path: Of ``torch.save``, or of safetensors by its ending.
        map_location: Device of the tensors.
        mmap: Leave the tensors on disk until they are read.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no checkpoint, is cut short, or would run code when unpickled.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'checkpoint {path} does not exist')
    # plain data, of published checkpoints; here, since others clear the list of the process
    torch.serialization.add_safe_globals([argparse.Namespace])
    try:
        if path.suffix == '.safetensors':
            from safetensors.torch import load_file as load_safetensors

            return load_safetensors(path, device=str(map_location or 'cpu'))
        content = torch.load(path, map_location=map_location, weights_only=True, mmap=mmap)
    except OSError:
        raise
    except Exception as error:  # torch reports damage by many types
        raise ValueError(f'checkpoint {path} {_fault(error)}') from None
    if not isinstance(content, dict):
        raise ValueError(
            f'checkpoint {path} holds a {type(content).__name__}: expected a dict of weights'
        )
    return content


def save_file(path: str | Path, content: dict) -> None:
    """Writes weights, whole or not at all: safetensors by its ending, else as torch.save does.

    Raises:
        ValueError: The ending is safetensors', and the content is more than tensors by name.
    """
    path = Path(path).expanduser()
    if path.suffix == '.safetensors':
        from safetensors.torch import save

        if not all(isinstance(value, torch.Tensor) for value in content.values()):
            raise ValueError(f'{path} can hold one set of weights alone: give a name in .pth')
        written = save({n: t.contiguous().clone() for n, t in content.items()}, {'format': 'pt'})
    else:
        buffer = io.BytesIO()
        torch.save(content, buffer)
        written = buffer.getvalue()
    AtomicLocalBackend().put(written, path)


def _fault(error: Exception) -> str:
    """What is wrong with a file that torch refused to read."""
    code = re.search(r'GLOBAL \S+|instantiate \S+', str(error))
    if isinstance(error, pickle.UnpicklingError) and code:
        return (
            'holds more than tensors and plain data, which would be executed as code: refused '
            f'({code[0]}). Convert it where you trust it'
        )
    if isinstance(error, pickle.UnpicklingError):  # its first line speaks of weights_only
        return 'cannot be read, it is damaged or no file that torch.save wrote'
    reason = ' '.join([type(error).__name__, *str(error).splitlines()[:1]])
    return f'cannot be read, it is damaged or no checkpoint: {reason}'


class AtomicLocalBackend(LocalBackend):
    """Writes to a temporary name, flushes, renames: a kill leaves the former file or the new."""

    def put(self, obj: bytes | memoryview, filepath: str | Path) -> None:
        """Writes ``obj`` to ``filepath``.

        Raises:
            OSError: The disk is full, or lets nobody write.
        """
        filepath = Path(filepath)
        filepath.parent.mkdir(parents=True, exist_ok=True)
        partial = filepath.with_name(f'.{filepath.name}.{os.getpid()}.partial')
        try:
            with open(partial, 'wb') as file:
                file.write(obj)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, filepath)
            _flush_folder(filepath.parent)
        except OSError as error:
            raise OSError(
                error.errno,
                f'{filepath} ({len(obj) / 1e6:.1f} MB) cannot be written, the former files are as '
                f'they were: {error.strerror or error}. Make room and repeat it (training: by '
                '--resume)',
            ) from None
        finally:
            partial.unlink(missing_ok=True)

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        """Likewise of text."""
        self.put(obj.encode(encoding), filepath)


def remove_partial_files(folder: Path) -> None:
    """Deletes what processes that were killed while they wrote checkpoints have left."""
    for pattern in ('.*.pth.*.partial', '.last_checkpoint.*.partial'):
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    """Makes a new name last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def register() -> None:
    """Makes the Runner read local files by :func:`load_file` and know the backend 'atomic'."""
    CheckpointLoader.register_scheme(prefixes='', loader=_load_for_runner, force=True)
    register_backend('atomic', AtomicLocalBackend, force=True)


def _load_for_runner(filename: str, map_location: Any = None) -> dict:
    return load_file(filename, map_location)
