"""Keeps the indexes of shards on file: beside the shards, else in the user's cache."""

import hashlib
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mmengine.logging import print_log

from dinomm.data_paths import is_compressed_shard, is_url, repack_advice
from dinomm.progress import Progress

from . import remote
from .shard_index import ShardIndex, from_bytes, index_tar, to_bytes

SUFFIX = '.index'
REQUESTS = 16  # at the same time, to a server


def cache_folder() -> Path:
    """``$DINOMM_CACHE``, by default ``dinomm`` in the user's cache (``~/.cache``)."""
    default = Path(os.environ.get('XDG_CACHE_HOME') or '~/.cache') / 'dinomm'
    return Path(os.environ.get('DINOMM_CACHE') or default).expanduser()


def read_indexes(shards: Sequence[str]) -> list[ShardIndex]:
    """The index of each shard, read from file where it fits the shard, else made and kept.

    What cannot be used of a shard is logged as a warning, in every run.

    Args:
        shards: Paths or URLs of tar files.

    Raises:
        ValueError: A shard is no tar file, or a compressed one.
        OSError: A shard cannot be read.
    """
    progress = Progress(lambda line: print_log(line, 'current'))
    if shards and is_url(shards[0]):
        with ThreadPoolExecutor(REQUESTS) as pool:
            indexes = list(pool.map(lambda shard: _remote_index(shard, progress), shards))
    else:
        indexes = [_local_index(Path(shard), progress) for shard in shards]
    for shard, index in zip(shards, indexes, strict=True):
        if index.fault:
            print_log(
                f'{shard}: {index.fault}; its other {len(index.names)} images are used',
                'current',
                logging.WARNING,
            )
    return indexes


def save_index(shard: Path, index: ShardIndex) -> None:
    """Keeps the index of a tar file as it is now."""
    _save(to_bytes(index, _local_stamp(shard)), _beside(shard), _cached(str(shard.resolve())))


def _local_index(shard: Path, progress: Progress) -> ShardIndex:
    stamp = _local_stamp(shard)
    places = _beside(shard), _cached(str(shard.resolve()))
    kept = _find(places, stamp, str(shard))
    if kept:
        return kept
    with open(shard, 'rb') as file:
        index = _make(file, stamp['size'], str(shard), progress)
    _save(to_bytes(index, stamp), *places)
    return index


def _remote_index(shard: str, progress: Progress) -> ShardIndex:
    stamp = remote.stamp(shard)
    place = _cached(shard)
    kept = _find([place], stamp, shard)
    if kept:
        return kept
    index = _uploaded_index(shard, stamp['size'])
    if index is None:
        with remote.open_file(shard) as file:
            index = _make(file, stamp['size'], shard, progress)
    _save(to_bytes(index, stamp), place)
    return index


def _uploaded_index(shard: str, size: int) -> ShardIndex | None:
    """The index that was uploaded with a shard; the shard's date is another one now."""
    try:
        index, stamp = from_bytes(remote.read(shard + SUFFIX))
    except (FileNotFoundError, PermissionError, ValueError):  # some stores deny what is not there
        return None
    return index if stamp.get('size') == size else None


def _make(file, size: int, shard: str, progress: Progress) -> ShardIndex:
    if is_compressed_shard(shard):
        raise ValueError(repack_advice(shard))
    try:
        index = index_tar(
            file, size, lambda images: progress(lambda: f'indexing {shard}: {images:,} images')
        )
    except ValueError as error:
        if str(error) == 'is compressed':
            raise ValueError(repack_advice(shard)) from None
        raise ValueError(f'shard {shard} {error}: replace or remove it') from None
    return index


def _find(places: Sequence[Path], stamp: dict, shard: str) -> ShardIndex | None:
    stale = None
    for place in places:
        try:
            index, found = from_bytes(place.read_bytes())
        except OSError:
            continue
        except ValueError as error:
            print_log(f'{place} is ignored: {error}', 'current', logging.WARNING)
            continue
        if found == stamp:
            return index
        stale = place
    if stale:
        print_log(f'{shard} has changed since {stale} was made: indexing it anew', 'current')
    return None


def _save(content: bytes, *places: Path) -> None:
    """Writes to the first place that can be written, whole or not at all."""
    for place in places:
        partial = place.with_name(f'.{place.name}.{os.getpid()}.partial')
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                partial.write_bytes(content)
                os.replace(partial, place)
            finally:
                partial.unlink(missing_ok=True)
            return
        except OSError as error:
            problem = error
    print_log(
        f'the index of a shard could not be kept ({problem}), so it is made again in every run: '
        'set DINOMM_CACHE to a folder that can be written',
        'current',
        logging.WARNING,
    )


def _local_stamp(shard: Path) -> dict:
    status = shard.stat()
    return {'size': status.st_size, 'mtime_ns': status.st_mtime_ns}


def _beside(shard: Path) -> Path:
    return shard.with_name(shard.name + SUFFIX)


def _cached(shard: str) -> Path:
    digest = hashlib.blake2b(os.fsencode(shard), digest_size=16).hexdigest()
    return cache_folder() / 'shards' / (digest + SUFFIX)
