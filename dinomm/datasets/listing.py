"""Finds image files and their labels; knows nothing of pictures."""

import hashlib
import itertools
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmengine.logging import print_log

from dinomm.data_paths import (
    ROOTS,
    expand_braces,
    is_compressed_shard,
    is_pattern,
    is_shard,
    is_url,
    repack_advice,
    require_root,
)
from dinomm.foreign_names import LinkedPlaces, fault_of_name

from . import remote
from .file_names import SUFFIXES, is_image
from .index_files import read_indexes
from .shard_index import plain_name
from .storage import LocalFiles, RemoteFiles, Shards, Storage

MAX_DIGITS = 9
"""Of the number of a class."""


class Listing(NamedTuple):
    """Images by relative path with forward slashes; ``labels`` as written."""

    storage: Storage
    paths: list[str]
    labels: list[str] | None


def find_images(root: str | Path, data_root: str | Path | None = None) -> Listing:
    """Lists the images of a folder, a list file or tar shards, on this machine or at a URL.

    Images of folders and shards come in the order of their paths, those of a list in its order.

    Args:
        root: A folder (searched at any depth) of images or of ``.tar`` shards, a list file
            ``.txt`` (see :func:`read_list`), a shard, or a pattern of shards like
            ``'train-{000000..000127}.tar'``. Also with ``s3://``, ``https://`` and whatever else
            fsspec knows before it.
        data_root: What a list file's paths are relative to; its own folder by default.

    Raises:
        ValueError: There is nothing at ``root``, it names no image, it holds both images and
            shards, or a shard is not readable.
    """
    root = root if is_url(root) else os.path.expanduser(root)
    require_root(root, 'the root of the images')
    if is_pattern(root) and (is_url(root) or not os.path.exists(root)):
        return read_shards(expand_braces(str(root)), root)
    if is_shard(str(root)) and (is_url(root) or os.path.isfile(root)):
        return read_shards([str(root)], root)
    if is_compressed_shard(str(root)):
        raise ValueError(repack_advice(str(root)))
    if str(root).lower().endswith('.txt') and (is_url(root) or os.path.isfile(root)):
        return read_list(root, data_root)
    if is_url(root):
        found = remote.find(str(root))
        names = (name for name in found if not fault_of_name(name, in_url=True))
        return choose_kind(root, sorted(name for name in names if plain_name(name) == name))
    if os.path.isdir(root):
        return choose_kind(root, scan_folder(Path(root)))
    raise ValueError(f'{root} is none of these: {ROOTS}')


def choose_kind(folder: str | Path, files: Sequence[str]) -> Listing:
    """Takes a folder's files for images or for shards.

    Raises:
        ValueError: It holds both, or neither.
    """
    images = [file for file in files if is_image(file)]
    shards = [file for file in files if is_shard(file)]
    if images and shards:
        raise ValueError(
            f'{folder} holds both {len(images):,} images ({images[0]}, ...) and {len(shards):,} '
            f'tar files ({shards[0]}, ...): name one of them as the root, or move one elsewhere'
        )
    if shards:
        return read_shards([f'{str(folder).rstrip("/")}/{shard}' for shard in shards], folder)
    if images:
        storage = RemoteFiles(str(folder)) if is_url(folder) else LocalFiles(Path(folder))
        return Listing(storage, images, None)
    packed = [file for file in files if is_compressed_shard(file)]
    if packed:
        raise ValueError(repack_advice(f'{folder}/{packed[0]}'))
    raise ValueError(
        f'no images found in {folder}: searched it and its subfolders for files that end in '
        f'{", ".join([*SUFFIXES, ".tar"])}'
    )


def scan_folder(folder: Path) -> list[str]:
    """Relative paths, sorted, of all files at any depth that may be of use; no hidden ones.

    Links to folders are followed, each folder once.
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
        paths += [prefix + name for name in files if name[0] != '.' and _is_wanted(name)]
    return sorted(paths)


def read_shards(shards: Sequence[str], root: str | Path) -> Listing:
    """Lists the images of tar files in WebDataset layout, by their members' paths.

    The labels are those of the ``KEY.cls`` members, if every image has one.

    Raises:
        ValueError: There is no image in them, or a shard is not readable.
    """
    indexes = read_indexes(shards)
    paths = [name for index in indexes for name in index.names]
    labels = [label for index in indexes for label in index.labels]
    if not paths:
        raise ValueError(f'no images found in the {len(shards)} shards of {root}')
    numbers = np.repeat(np.arange(len(shards)), [len(index.names) for index in indexes])
    places = [
        numbers,
        np.concatenate([index.offsets for index in indexes]),
        np.concatenate([index.sizes for index in indexes]),
    ]
    if any(later < earlier for earlier, later in itertools.pairwise(paths)):
        order = sorted(range(len(paths)), key=paths.__getitem__)
        paths, labels = [paths[i] for i in order], [labels[i] for i in order]
        places = [column[order] for column in places]
    return Listing(Shards(shards, *places), paths, _complete(labels, paths, root))


def read_list(file: str | Path, data_root: str | Path | None = None) -> Listing:
    """Reads lines of ``path [label]``; empty lines and lines that start with # are left out.

    Args:
        file: Text in UTF-8. A path may hold spaces, a label may not. No path leaves the folder
            that it is relative to, unless by links in a ``data_root`` that was named.
        data_root: The folder that the paths are relative to; the list's own by default. Absolute
            paths need ``'/'``.

    Raises:
        ValueError: A line has no image path or one that leaves its folder, some lines have a
            label and others none, no line is left, or none of the first ten files exists.
    """
    paths: list[str] = []
    labels: list[str] = []
    folder = _folder_of_paths(file, data_root)
    links = None if data_root is not None or is_url(folder) else LinkedPlaces(folder)
    content = remote.read(str(file)) if is_url(file) else Path(file).read_bytes()
    text = content.decode('utf-8-sig', 'surrogateescape')
    for number, line in enumerate(text.split('\n'), 1):
        line = line.strip()
        if not line or line.startswith('#'):
            continue
        path, label = (line, None) if is_image(line) else _split_label(line)
        if not path:
            raise ValueError(
                f'{file}, line {number}: expected "path" or "path label" with a path that ends in '
                f'{", ".join(SUFFIXES)}, but found {line!r:.200}'
            )
        path = path.lstrip('/') if str(folder) == '/' else path
        if leaves := _leaves(path, folder, links):
            raise ValueError(f'{file}, line {number}: {path!r:.200} {leaves}')
        if label is not None and label.isdecimal() and len(label) > MAX_DIGITS:
            raise ValueError(
                f'{file}, line {number}: {label:.40} is no class: expected a number of at most '
                f'{MAX_DIGITS} digits, or a name'
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
    storage = _files_below(folder)
    first = [storage.name(row, path) for row, path in enumerate(paths[:10])]
    if not any(remote.exists(name) if is_url(name) else os.path.exists(name) for name in first):
        raise ValueError(
            f'{first[0]} does not exist, nor do the files listed after it in {file}: set '
            'data_root to the folder that its paths are relative to'
        )
    return Listing(storage, paths, labels or None)


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


def _is_wanted(name: str) -> bool:
    return is_image(name) or is_shard(name) or is_compressed_shard(name)


def _folder_of_paths(file: str | Path, data_root: str | Path | None) -> str | Path:
    """The folder or URL that a list's paths are relative to."""
    if data_root is not None:
        return data_root if is_url(data_root) else Path(data_root).expanduser()
    return str(file).rpartition('/')[0] if is_url(file) else Path(file).parent


def _leaves(path: str, folder: str | Path, links: LinkedPlaces | None) -> str | None:
    """How a listed path leaves its folder and what to do; None if it stays there."""
    if fault := fault_of_name(path, in_url=is_url(folder)):
        return (
            f'{fault}, and a list names images below {folder}: write the path relative to that, or '
            "set data_root (--data-root), to '/' for absolute paths"
        )
    if links and (place := links.outside(path)):
        return (
            f'leads by a link to {place}, and a list names images below {folder}: if its links are '
            f'your own, say so by data_root={folder}'
        )
    return None


def _files_below(folder: str | Path) -> Storage:
    return RemoteFiles(str(folder)) if is_url(folder) else LocalFiles(Path(folder))


def _split_label(line: str) -> tuple[str | None, str]:
    path, _, label = line.replace('\t', ' ').rpartition(' ')
    path = path.rstrip()
    return (path if is_image(path) else None), label


def _complete(labels: list[str], paths: list[str], root: str | Path) -> list[str] | None:
    """The labels if there is one for every image."""
    missing = labels.count('')
    if missing == len(labels):
        return None
    if missing:
        print_log(
            f'{missing:,} of {len(paths):,} images in {root} have no .cls beside them, '
            f'{paths[labels.index("")]} for example: the labels are left out',
            'current',
            logging.WARNING,
        )
        return None
    return labels
