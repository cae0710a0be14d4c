"""Finds image files and their labels; knows nothing of pictures."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

SUFFIXES = ('.bmp', '.gif', '.jpeg', '.jpg', '.pgm', '.png', '.ppm', '.tif', '.tiff', '.webp')


class Listing(NamedTuple):
    """Files below ``folder``, by relative path with forward slashes; ``labels`` as written."""

    folder: Path
    paths: list[str]
    labels: list[str] | None


class PackedPaths(Sequence[str]):
    """Paths in one buffer, which forked workers share: reading it touches no reference count."""

    def __init__(self, paths: Sequence[str]) -> None:
        encoded = [os.fsencode(path) for path in paths]
        self._bytes = np.frombuffer(b''.join(encoded), dtype=np.uint8)
        self._ends = np.cumsum([0, *map(len, encoded)])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index):
        index = range(len(self))[index]
        return os.fsdecode(self._bytes[self._ends[index] : self._ends[index + 1]].tobytes())


def find_images(root: str | Path, data_root: str | Path | None = None) -> Listing:
    """Lists the images of a folder (see :func:`scan_folder`) or a file (see :func:`read_list`).

    Raises:
        ValueError: ``root`` does not exist, is neither, or names no image.
    """
    root = Path(root).expanduser()
    if root.is_dir():
        return Listing(root, scan_folder(root), None)
    if root.suffix.lower() == '.txt' and root.is_file():
        return read_list(root, data_root)
    if root.exists():
        raise ValueError(f'{root} is neither a folder of images nor a list file (.txt)')
    raise ValueError(f'{root} does not exist: give a folder of images or a list file (.txt)')


def scan_folder(folder: Path) -> list[str]:
    """Relative paths, sorted, of all image files at any depth; hidden ones are left out.

    Links to folders are followed, each folder once.

    Raises:
        ValueError: No file has one of :data:`SUFFIXES` (in any case).
    """
    paths: list[str] = []
    visited = set()
    for parent, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith('.'))
        prefix = Path(parent).relative_to(folder).as_posix()
        prefix = '' if prefix == '.' else f'{prefix}/'
        paths += [prefix + name for name in files if _is_image(name) and name[0] != '.']
    if not paths:
        raise ValueError(
            f'no images found in {folder}: searched it and its subfolders for files that end in '
            f'{", ".join(SUFFIXES)}'
        )
    return sorted(paths)


def read_list(file: Path, data_root: str | Path | None = None) -> Listing:
    """Reads lines of ``path [label]``; empty lines and lines that start with # are left out.

    Args:
        file: Text in UTF-8. A path may hold spaces, a label may not.
        data_root: The folder that the paths are relative to; the list's own by default.

    Raises:
        ValueError: A line has no image path, some lines have a label and others none, no line
            is left, or none of the first ten files exists.
    """
    paths: list[str] = []
    labels: list[str] = []
    for number, line in enumerate(file.read_text(encoding='utf-8').splitlines(), 1):
        line = line.strip()
        if not line or line.startswith('#'):
            continue
        path, label = (line, None) if _is_image(line) else _split_label(line)
        if not path:
            raise ValueError(
                f'{file}, line {number}: expected "path" or "path label" with a path that ends in '
                f'{", ".join(SUFFIXES)}, but found {line!r}'
            )
        if paths and (label is not None) != bool(labels):
            raise ValueError(
                f'{file}, line {number}: {"has" if label else "lacks"} a label, unlike the lines '
                'before it'
            )
        paths.append(path)
        labels += [] if label is None else [label]
    if not paths:
        raise ValueError(f'{file} lists no images: write one "path" or "path label" a line')
    folder = file.parent if data_root is None else Path(data_root).expanduser()
    if not any((folder / path).exists() for path in paths[:10]):
        raise ValueError(
            f'{folder / paths[0]} does not exist, nor do the files listed after it in {file}: set '
            'data_root to the folder that its paths are relative to'
        )
    return Listing(folder, paths, labels or None)


def folder_labels(paths: Sequence[str]) -> list[str]:
    """The first folder of each path.

    Raises:
        ValueError: A path has none.
    """
    for path in paths:
        if '/' not in path:
            raise ValueError(
                f"labels='folder' needs every image in a class folder, but {path} is in none"
            )
    return [path.split('/', 1)[0] for path in paths]


def in_validation_part(path: str, fraction: float) -> bool:
    """Puts about ``fraction`` of all paths into the validation part, by a hash of the path."""
    digest = hashlib.blake2b(os.fsencode(path), digest_size=8).digest()
    return int.from_bytes(digest, 'big') < fraction * 2**64


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def _split_label(line: str) -> tuple[str | None, str]:
    path, _, label = line.replace('\t', ' ').rpartition(' ')
    path = path.rstrip()
    return (path if _is_image(path) else None), label
