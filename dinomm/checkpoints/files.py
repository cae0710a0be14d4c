"""Reading and writing files of weights: data, never code; whole, or not at all."""

import argparse
import io
import os
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from mmengine.dist import barrier, get_rank
from mmengine.fileio import LocalBackend, register_backend
from mmengine.runner import CheckpointLoader, checkpoint

WEB = ['http://', 'https://']
NAMES = ['open-mmlab://', 'openmmlab://']
REFUSED = ['pavi://', r'(\S+\:)?s3://', r'(\S+\:)?petrel://']
"""Further prefixes of mmengine, whose files it would unpickle."""


def load_file(path: str | Path, map_location: Any = 'cpu', mmap: bool = False) -> dict:
    """Reads a file of tensors and plain data without executing anything in it.

    Args:
        path: Of ``torch.save``, or of safetensors by its ending.
        map_location: Device of the tensors.
        mmap: Leave the tensors on disk until they are read.

    Raises:
        FileNotFoundError: There is no such file.
        OSError: The disk does not give it.
        ValueError: The file is no checkpoint, is cut short, is compressed, or would run code when
            unpickled.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'checkpoint {path} does not exist')
    _require_unpacked(path)
    # plain data, of published checkpoints; here, since others clear the list of the process
    torch.serialization.add_safe_globals([argparse.Namespace])
    try:
        if path.suffix == '.safetensors':
            from safetensors.torch import load_file as load_safetensors

            return load_safetensors(path, device=str(map_location or 'cpu'))
        content = torch.load(path, map_location=map_location, weights_only=True, mmap=mmap)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(error.errno, f'checkpoint {path} cannot be read: {reason}') from None
    except Exception as error:  # torch reports damage by many types
        raise ValueError(f'checkpoint {path} {_fault(error)}') from None
    if not isinstance(content, dict):
        raise ValueError(
            f'checkpoint {path} holds a {type(content).__name__}: expected a dict of weights'
        )
    return content


def _require_unpacked(path: Path) -> None:
    """torch writes its zip files uncompressed; a compressed one can unpack to anything."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except Exception:  # no zip file, or one that torch will complain of
        return
    if size > path.stat().st_size:
        raise ValueError(
            f'checkpoint {path} would unpack to {size / 2**20:,.0f} MiB: refused, torch.save '
            'compresses nothing. Unpack it where you trust it'
        )


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
    """Lets the Runner read weights by :func:`load_file` alone, and know the backend 'atomic'.

    mmengine's own loaders, also those of URLs, fall back on unpickling code. The names of models
    (``torchvision://resnet50`` ...) are resolved by mmengine and fetched by :func:`load_from_http`.
    """
    CheckpointLoader.register_scheme(prefixes='', loader=_load_for_runner, force=True)
    CheckpointLoader.register_scheme(prefixes=WEB, loader=load_from_http, force=True)
    CheckpointLoader.register_scheme(prefixes=NAMES, loader=_load_from_openmmlab, force=True)
    CheckpointLoader.register_scheme(prefixes=REFUSED, loader=_refuse, force=True)
    checkpoint.load_from_http = load_from_http  # what mmengine's loaders of names call
    register_backend('atomic', AtomicLocalBackend, force=True)


def load_from_http(url: str, map_location: Any = 'cpu') -> dict:
    """Fetches a file of weights into torch's cache, once, and reads it by :func:`load_file`.

    Raises:
        OSError: It cannot be fetched.
        ValueError: See :func:`load_file`.
    """
    file = Path(torch.hub.get_dir(), 'checkpoints', Path(urlparse(url).path).name)
    if get_rank() == 0:
        _fetch(url, file)
    barrier()
    _fetch(url, file)  # on machines whose processes are not the first
    return load_file(file, map_location)


def _fetch(url: str, file: Path) -> None:
    if file.is_file():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(url, str(file), progress=False)
    except Exception as error:  # of any protocol
        raise OSError(
            f'weights {url} cannot be fetched ({type(error).__name__}: {error}): download the file '
            'and name it instead'
        ) from None


def _load_from_openmmlab(filename: str, map_location: Any = None) -> dict:
    name = filename.partition('://')[2]
    name = checkpoint.get_deprecated_model_names().get(name, name)
    url = checkpoint.get_external_models().get(name)
    if url is None:
        raise ValueError(f'weights {filename}: mmengine knows no model of that name')
    return CheckpointLoader.load_checkpoint(url, map_location)


def _refuse(filename: str, map_location: Any = None) -> dict:
    raise ValueError(
        f'weights {filename}: expected a file of this machine, or a URL of http or https; download '
        'it and name the file'
    )


def _load_for_runner(filename: str, map_location: Any = None) -> dict:
    return load_file(filename, map_location)
