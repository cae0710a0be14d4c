"""Where a data set's images lie, and how one of them is fetched."""

import os
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import torch

from dinomm.data_paths import is_url

from . import remote
from .transforms.loading import BrokenImageError

MAX_OPEN_SHARDS = 128  # of a process; a common limit is 1024 files


class Storage(Protocol):
    """The images of a data set by their row in it."""

    def name(self, row: int, path: str) -> str:
        """Which image it is, for people."""

    def content(self, row: int, path: str) -> bytes | None:
        """The bytes of its file, or None if ``name`` is a file that can be opened.

        Raises:
            BrokenImageError: The image is missing or not whole.
            OSError: Storage fails, which says nothing about the image.
        """

    def take(self, rows: np.ndarray) -> 'Storage':
        """Some of the images."""


class LocalFiles:
    """Files below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def name(self, row: int, path: str) -> str:
        """The file."""
        return str(self.folder / path)

    def content(self, row: int, path: str) -> None:
        """Left to the pipeline."""

    def take(self, rows: np.ndarray) -> 'LocalFiles':
        """The folder is the same."""
        return self


class RemoteFiles:
    """Files below a URL."""

    def __init__(self, folder: str) -> None:
        self.folder = folder.rstrip('/')

    def name(self, row: int, path: str) -> str:
        """The file's URL."""
        return f'{self.folder}/{path}'

    def content(self, row: int, path: str) -> bytes:
        """Fetches the file."""
        url = self.name(row, path)
        try:
            return remote.read(url)
        except FileNotFoundError:
            raise BrokenImageError(f'cannot read {url}: it does not exist') from None

    def take(self, rows: np.ndarray) -> 'RemoteFiles':
        """The URL is the same."""
        return self


class Shards:
    """Members of tar files.

    Args:
        shards: Paths or URLs of the tar files.
        shard_of: (N,) number of each image's shard.
        offsets: (N,) where it begins, in bytes.
        sizes: (N,) its length in bytes.
    """

    def __init__(
        self, shards: Sequence[str], shard_of: np.ndarray, offsets: np.ndarray, sizes: np.ndarray
    ) -> None:
        self.shards = list(shards)
        # tensors reach spawned workers in shared memory
        self._places = torch.from_numpy(np.stack([shard_of, offsets, sizes], axis=1))
        self._files = OpenFiles()

    def name(self, row: int, path: str) -> str:
        """Shard and member."""
        return f'{self.shards[self._places[row, 0]]}/{path}'

    def content(self, row: int, path: str) -> bytes:
        """Reads the member."""
        number, offset, size = self._places[row].tolist()
        shard = self.shards[number]
        if size == 0:  # no range of bytes says nothing
            return b''
        if is_url(shard):
            content = remote.read(shard, offset, offset + size)
        else:
            content = os.pread(self._files.get(shard).fileno(), size, offset)
        if len(content) != size:
            raise BrokenImageError(f'cannot read {self.name(row, path)}: the shard ends inside it')
        return content

    def take(self, rows: np.ndarray) -> 'Shards':
        """Some of the members."""
        return Shards(self.shards, *self._places[torch.from_numpy(rows)].numpy().T)


class OpenFiles:
    """Files of this process that stay open for reading, the least used closed beyond a number."""

    def __init__(self, most: int = MAX_OPEN_SHARDS) -> None:
        self.most = most
        self._files: OrderedDict[str, BinaryIO] = OrderedDict()

    def get(self, path: str) -> BinaryIO:
        """The open file; for ``os.pread``, since forked processes share its position."""
        if path not in self._files:
            self._files[path] = open(path, 'rb', buffering=0)  # noqa: SIM115
            if len(self._files) > self.most:
                self._files.popitem(last=False)[1].close()
        self._files.move_to_end(path)
        return self._files[path]

    def __getstate__(self) -> dict:
        return {'most': self.most, '_files': OrderedDict()}
