"""Packs image files into tar shards."""

import errno
import io
import os
import posixpath
import re
import shutil
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dinomm.progress import Progress

from .index_files import save_index
from .listing import Listing, folder_labels
from .shard_index import ShardIndex, index_tar, plain_name
from .storage import LocalFiles

PARTIAL = '.partial-shards'  # folder in the output until all is written
UNITS = {'': 1, 'K': 2**10, 'M': 2**20, 'G': 2**30, 'T': 2**40}


class ShardSize(NamedTuple):
    """When a shard is full: the unit is 'bytes' or 'images'."""

    limit: int
    unit: str


class Packed(NamedTuple):
    """What was written."""

    shards: list[Path]
    images: int
    size: int


def parse_size(text: str) -> ShardSize:
    """``'1G'`` or ``'500MB'``: bytes; a number alone: images.

    Raises:
        ValueError: It is neither.
    """
    parts = re.fullmatch(r'(\d+(?:\.\d+)?)\s*([KMGT]?)(i?B)?', text.strip(), re.IGNORECASE)
    if parts:
        number, unit, byte = float(parts[1]), parts[2].upper(), parts[3]
        limit = int(number * UNITS[unit])
        if limit >= 1:
            return ShardSize(limit, 'bytes' if unit or byte else 'images')
    raise ValueError(
        f"--shard-size is {text!r}: expected bytes with a unit ('1G', '500M') or a number of images"
    )


def numbered_by_folder(listing: Listing) -> Listing:
    """The listing with the place of each image's first folder among all of them as its label.

    Raises:
        ValueError: An image is in no folder.
    """
    folders = folder_labels(listing.paths)
    numbers = {folder: str(number) for number, folder in enumerate(sorted(set(folders)))}
    return listing._replace(labels=[numbers[folder] for folder in folders])


def pack(
    listing: Listing,
    out: Path,
    name: str,
    size: ShardSize,
    progress: Progress,
    shuffle_seed: int | None = None,
) -> Packed:
    """Writes ``out/NAME-000000.tar`` and so on, each with its index; all of them, or none.

    The same files give the same bytes. Each image is a member ``path/to/KEY.jpg``, untouched,
    followed by ``KEY.cls`` where it has a label.

    Args:
        listing: Files of this machine, and their labels.
        out: A folder that is empty or does not exist.
        name: Of the shards.
        size: When a shard is full; an image larger than that is a shard on its own.
        progress: Is told how far it is.
        shuffle_seed: Of the images' order; None keeps the listing's.

    Raises:
        ValueError: Something is in ``out``, it is too small, ``name`` is none, a path cannot be
            a member, or two images share one key but not the label.
        OSError: An image cannot be read, ``out`` cannot be written, or the disk is full.
    """
    if not isinstance(listing.storage, LocalFiles):
        raise ValueError('only image files of this machine can be packed, no shards and no URLs')
    if plain_name(name) != name or '/' in name:
        raise ValueError(f'shards cannot be named {name!r}: expected the beginning of a file name')
    check_members(listing)
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        progress(lambda: f'{done:,} of {len(listing.paths):,} images packed')

    try:
        files = (listing.storage.name(row, path) for row, path in enumerate(listing.paths))
        lengths = np.array([os.stat(file).st_size for file in files])
        order: np.ndarray = np.arange(len(lengths))
        if shuffle_seed is not None:
            order = np.random.default_rng(shuffle_seed).permutation(len(lengths))
        with _partial_folder(out, _tar_bytes(lengths, listing.labels is not None)) as partial:
            indexes: dict[Path, ShardIndex] = {}
            for rows in split(lengths, order, size):
                shard = partial / f'{name}-{len(indexes):06d}.tar'
                indexes[shard] = _write_shard(shard, rows, listing, count)
            shards = _publish(indexes, out)
    except OSError as error:
        full = f'{out} is full' if error.errno == errno.ENOSPC else str(error)
        raise OSError(
            f'packing stopped after {done:,} of {len(listing.paths):,} images, nothing is kept: '
            f'{full}'
        ) from None
    return Packed(shards, len(lengths), sum(shard.stat().st_size for shard in shards))


def split(lengths: np.ndarray, order: np.ndarray, size: ShardSize) -> Iterator[list[int]]:
    """The rows of each shard, in ``order``; the bytes are those of the images alone."""
    shard: list[int] = []
    filled = 0
    for row in order.tolist():
        weight = int(lengths[row]) if size.unit == 'bytes' else 1
        if shard and filled + weight > size.limit:
            yield shard
            shard, filled = [], 0
        shard.append(row)
        filled += weight
    if shard:
        yield shard


def check_members(listing: Listing) -> None:
    """Checks that paths can be members' names.

    Raises:
        ValueError: A path is hidden, absolute, outside the folder or there twice; or images of
            one key (``a.jpg`` and ``a.png``) have different labels.
    """
    labels: dict[str, str] = {}
    seen = set()
    for row, path in enumerate(listing.paths):
        if plain_name(path) != path:
            raise ValueError(
                f'{path} cannot be packed: expected a path below the folder (--data-root for a '
                'list), in short form and without hidden folders'
            )
        if path in seen:
            raise ValueError(f'{path} is listed twice: a shard holds each path once')
        seen.add(path)
        if listing.labels is not None:
            label = listing.labels[row]
            if labels.setdefault(posixpath.splitext(path)[0], label) != label:
                raise ValueError(
                    f'{path} has the label {label}, but an image of the same name and another '
                    'suffix has another one: rename one of them'
                )


@contextmanager
def _partial_folder(out: Path, needed: int) -> Iterator[Path]:
    """A hidden folder in ``out`` for what is not whole yet."""
    if out.exists() and not out.is_dir():
        raise ValueError(f'{out} is a file: name a folder for the shards')
    partial = out / PARTIAL
    found = [path.name for path in out.iterdir() if path != partial] if out.exists() else []
    if found:
        raise ValueError(f'{out} is not empty ({found[0]}): name a new folder for the shards')
    shutil.rmtree(partial, ignore_errors=True)  # of a packing that was killed
    partial.mkdir(parents=True)
    try:
        free = shutil.disk_usage(out).free
        if needed > free:
            raise ValueError(
                f'{out} has {free / 2**30:.1f} GiB free, but the shards need {needed / 2**30:.1f}'
            )
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_shard(
    shard: Path, rows: Sequence[int], listing: Listing, each: Callable[[], None]
) -> ShardIndex:
    """Writes a tar file and indexes it by reading it back."""
    labelled = set()
    with tarfile.open(
        shard, 'w', format=tarfile.GNU_FORMAT, encoding='utf-8', errors='surrogateescape'
    ) as tar:
        for row in rows:
            path = listing.paths[row]
            _add(tar, path, Path(listing.storage.name(row, path)).read_bytes())
            key = posixpath.splitext(path)[0]
            if listing.labels is not None and key not in labelled:
                labelled.add(key)
                _add(tar, f'{key}.cls', listing.labels[row].encode('utf-8', 'surrogateescape'))
            each()
    with open(shard, 'rb') as file:
        index = index_tar(file, shard.stat().st_size)
    if index.fault or len(index.names) != len(rows):
        raise OSError(f'{shard} was not written well: {index.fault or "images are missing"}')
    return index


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """Date and owner are TarInfo's zeros, so that only names and contents make the bytes."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def _publish(indexes: dict[Path, ShardIndex], out: Path) -> list[Path]:
    """Gives the shards their places, when all of them are whole."""
    shards = [out / path.name for path in indexes]
    for path, shard in zip(indexes, shards, strict=True):
        os.replace(path, shard)
    for index, shard in zip(indexes.values(), shards, strict=True):
        save_index(shard, index)
    return shards


def _tar_bytes(lengths: np.ndarray, labelled: bool) -> int:
    """At least so much space is taken: a header for each member, all filled up to blocks."""
    blocks = 1 + -(-lengths // tarfile.BLOCKSIZE) + (2 if labelled else 0)
    return int(blocks.sum()) * tarfile.BLOCKSIZE
