"""Where the images of a tar file begin and how long they are, found once and kept on file."""

import itertools
import json
import posixpath
import re
import tarfile
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

import numpy as np

from .file_names import is_image

FORMAT = 'dinomm shard index 1'
MAX_LABEL_BYTES = 4096
BLOCK = tarfile.BLOCKSIZE
NOT_PLAIN = re.compile(r'(?:\A|[\0/])(?:[./\0]|\Z)')
"""A hidden or empty part of a path, among names between NULs (see :func:`plain_name`)."""


class ShardIndex(NamedTuple):
    """The images of one tar file, in its order.

    ``offsets`` and ``sizes`` (N,) int64 are in bytes; ``labels`` are as written, '' where there is
    none; ``fault`` says what of the file cannot be used, '' if it is sound.
    """

    names: list[str]
    labels: list[str]
    offsets: np.ndarray
    sizes: np.ndarray
    fault: str


def index_tar(
    file: BinaryIO, size: int, each: Callable[[int], None] = lambda images: None
) -> ShardIndex:
    """Reads the headers of a tar file in WebDataset layout.

    Every regular file with an image's suffix is an image; ``KEY.cls`` beside ``KEY.jpg`` holds its
    label. Hidden members (of macOS, for example) and all others are left out; of several members
    of one name the last counts, as in tar.

    Args:
        file: The tar file, seekable.
        size: Its length in bytes.
        each: Called after each image with the number found so far.

    Raises:
        ValueError: It is no tar file, or a compressed one.
    """
    places: dict[str, tuple[int, int]] = {}
    labels: dict[str, str] = {}
    faults: list[str] = []
    try:
        with tarfile.open(fileobj=file, mode='r:', errors='surrogateescape') as tar:
            while (member := _next(tar, faults)) is not None:
                tar.members = []  # type: ignore[attr-defined]  # else all headers stay in memory
                name = plain_name(member.name)
                if name is None or not (member.isreg() or member.islnk()):
                    continue
                if member.isreg() and member.offset_data + member.size > size:
                    faults.append(f'{name} is cut short')
                elif name.endswith('.cls') and member.isreg():
                    labels[name[: -len('.cls')]] = _read_label(file, member)
                elif is_image(name):
                    place = _place(member, places)
                    if place is None:
                        faults.append(f'{name} is no plain file')
                        continue
                    places[name] = place
                    each(len(places))
            end = tar.offset
    except OSError:
        raise
    except Exception as error:  # a damaged header makes tarfile raise nearly everything
        raise ValueError(_no_tar(file, size, error)) from None
    if not faults:
        faults += _fault_at_the_end(file, end)
    numbers = np.array(list(places.values()), dtype=np.int64).reshape(-1, 2)
    words = [_label_of(name, labels) for name in places]
    return ShardIndex(list(places), words, numbers[:, 0], numbers[:, 1], '; '.join(faults[:5]))


def plain_name(name: str) -> str | None:
    """A member's name without ``./`` and ``/`` before it; None if it or a folder is hidden."""
    name = posixpath.normpath(name).lstrip('/')
    return None if name.startswith('.') or '/.' in name or '\0' in name else name


def to_bytes(index: ShardIndex, stamp: dict) -> bytes:
    """An index as plain data: a line of JSON, little-endian int64s, names and labels between NULs.

    Args:
        index: What to keep.
        stamp: What identifies the state of the tar file that it belongs to.
    """
    blobs = [index.offsets.astype('<i8').tobytes(), index.sizes.astype('<i8').tobytes()]
    blobs += [
        '\0'.join(words).encode('utf-8', 'surrogateescape') for words in (index.names, index.labels)
    ]
    header = {
        'format': FORMAT,
        'stamp': stamp,
        'images': len(index.names),
        'fault': index.fault,
        'lengths': [len(blob) for blob in blobs],
    }
    return b''.join([json.dumps(header).encode(), b'\n', *blobs])


def from_bytes(content: bytes) -> tuple[ShardIndex, dict]:
    """The index and the stamp that :func:`to_bytes` was given.

    Raises:
        ValueError: It is damaged or of another format.
    """
    try:
        line, _, body = content.partition(b'\n')
        header = json.loads(line)
        images, lengths, stamp = header['images'], header['lengths'], header['stamp']
        if header['format'] != FORMAT or sum(lengths) != len(body) or min(lengths) < 0:
            raise ValueError('another format, or cut short')
        ends = np.cumsum([0, *lengths])
        blobs = [body[start:end] for start, end in itertools.pairwise(ends)]
        offsets, sizes = (np.frombuffer(blob, dtype='<i8') for blob in blobs[:2])
        names, labels = (
            blob.decode('utf-8', 'surrogateescape').split('\0') if images else []
            for blob in blobs[2:]
        )
        if not len(offsets) == len(sizes) == len(names) == len(labels) == images:
            raise ValueError('its parts differ in length')
        if images and not _fits(offsets, sizes, stamp['size']):
            raise ValueError('it names places outside the shard')
        if images and NOT_PLAIN.search('\0'.join(names)):
            raise ValueError('its names are not those of members')
        return ShardIndex(names, labels, offsets, sizes, str(header['fault'])), dict(stamp)
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f'no shard index: {error}') from None


def _fits(offsets: np.ndarray, sizes: np.ndarray, shard_size: int) -> bool:
    """Whether all places lie inside the shard; no sum, which could overflow."""
    least = min(offsets.min(), sizes.min())
    return least >= 0 and sizes.max() <= shard_size and bool((offsets <= shard_size - sizes).all())


def _next(tar: tarfile.TarFile, faults: list[str]) -> tarfile.TarInfo | None:
    """The next header, or None at the end; damage after the first header is a fault."""
    start = tar.offset
    try:
        member = tar.next()
        if member is None or (member.size >= 0 and tar.offset > member.offset):
            return member
        reason = 'a member of negative length'
    except OSError:
        raise
    except Exception as error:  # see index_tar
        reason = str(error) or type(error).__name__
    faults.append(f'it is cut short or damaged from byte {start} on ({reason})')
    return None


def _fault_at_the_end(file: BinaryIO, end: int) -> list[str]:
    """tarfile takes whatever is no header for the end of the archive."""
    file.seek(end)
    block = file.read(BLOCK)
    if len(block) < BLOCK:
        return [f'it ends at byte {end} without the mark of its end: it may be cut short']
    return [f'it is damaged from byte {end} on'] if any(block) else []


def _place(member: tarfile.TarInfo, places: dict) -> tuple[int, int] | None:
    """Offset and size of an image, that of its target for a hard link, None if in pieces."""
    if member.islnk():
        return places.get(plain_name(member.linkname) or '')
    return None if member.issparse() else (member.offset_data, member.size)


def _read_label(file: BinaryIO, member: tarfile.TarInfo) -> str:
    file.seek(member.offset_data)
    label = file.read(min(member.size, MAX_LABEL_BYTES)).decode('utf-8', 'surrogateescape')
    return label.replace('\0', '').strip()


def _label_of(name: str, labels: dict[str, str]) -> str:
    """By the name without its suffix, else by WebDataset's key, which ends at the first dot."""
    folder, slash, file = name.rpartition('/')
    stem = file.rpartition('.')[0]
    for key in (stem, stem.split('.', 1)[0]):
        if (label := labels.get(f'{folder}{slash}{key}')) is not None:
            return label
    return ''


def _no_tar(file: BinaryIO, size: int, error: Exception) -> str:
    if size == 0:
        return 'is empty'
    file.seek(0)
    start = file.read(6)
    packers = (b'\x1f\x8b', b'BZh', b'\xfd7zXZ', b'\x28\xb5\x2f\xfd')
    if start.startswith(packers):
        return 'is compressed'
    return f'is no tar file ({error})'
