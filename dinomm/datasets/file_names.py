"""Names of image files."""

import os
from collections.abc import Sequence

import numpy as np
import torch

SUFFIXES = ('.bmp', '.gif', '.jpeg', '.jpg', '.pgm', '.png', '.ppm', '.tif', '.tiff', '.webp')


def is_image(name: str) -> bool:
    """Whether a name has one of :data:`SUFFIXES`, in any case."""
    return name.lower().endswith(SUFFIXES)


class PackedPaths(Sequence[str]):
    """Paths in one buffer, which all workers share.

    Forked workers read it without touching a reference count, so its pages stay common; to
    spawned ones torch hands the tensors over in shared memory.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        encoded = [os.fsencode(path) for path in paths]
        self._bytes = torch.frombuffer(bytearray(b''.join([*encoded, b'\0'])), dtype=torch.uint8)
        self._ends = torch.from_numpy(np.cumsum([0, *map(len, encoded)]))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index):
        index = range(len(self))[index]
        start, end = self._ends[index : index + 2].tolist()
        return os.fsdecode(self._bytes[start:end].numpy().tobytes())
