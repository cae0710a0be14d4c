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
    """Paths in one buffer, a NUL after each, which all workers share.

    Forked workers read it without touching a reference count, so its pages stay common; to
    spawned ones torch hands the tensors over in shared memory.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        content = bytearray(os.fsencode(''.join(f'{path}\0' for path in paths)) or b'\0')
        ends = np.flatnonzero(np.frombuffer(content, dtype=np.uint8) == 0)[: len(paths)]
        self._bytes = torch.frombuffer(content, dtype=torch.uint8)
        self._starts = torch.from_numpy(np.concatenate([[0], ends + 1]))

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, index):
        index = range(len(self))[index]
        start, after = self._starts[index : index + 2].tolist()
        return os.fsdecode(self._bytes[start : after - 1].numpy().tobytes())
