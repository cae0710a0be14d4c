"""Views on their way to the device, where their colour operations are done."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from .photometric import LINEAR, OTHERS, Step

OPERATIONS = (*LINEAR, *OTHERS)
END = len(OPERATIONS)
"""Stands for the operation after the last."""

STEP = np.dtype([('operation', np.int8), ('value', np.float64)])
"""A ``Step`` in an array; the operation is its place in :data:`OPERATIONS`, or :data:`END`."""


class RawViewError(AttributeError, ValueError):
    """Something other than ``MultiCropPreprocessor`` takes a raw view for a picture."""


@dataclass(frozen=True, repr=False, eq=False)
class RawView:
    """A view of one image or of a batch, and the colour operations that it still lacks.

    It is no array and no tensor: whatever takes it for one stops with a sentence, and trains
    nothing on pictures without their colours.

    Attributes:
        images: uint8; (H, W, 3) from ``MultiCrop``, then (3, H, W), of a batch (B, 3, H, W).
        steps: The operations of one image, or of a batch an array of :data:`STEP`, see
            :func:`pack_steps`.
    """

    images: Any
    steps: Any

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return f'<{_SENTENCE}>'

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the images."""
        return tuple(self.images.shape)

    def pin_memory(self) -> 'RawView':
        """For the data loader."""
        return RawView(self.images.pin_memory(), self.steps)

    def __getattr__(self, name: str) -> Any:
        raise RawViewError(_SENTENCE)

    def __getitem__(self, index: Any) -> Any:
        raise RawViewError(_SENTENCE)

    @classmethod
    def __torch_function__(cls, *_: Any) -> Any:
        raise RawViewError(_SENTENCE)


_SENTENCE = (
    'views without their colour operations, because of MultiCrop(recolor_on_device=True): '
    'MultiCropPreprocessor as model.data_preprocessor does them, after PackViews and collate_views;'
    ' anything else needs recolor_on_device=False'
)


def pack_steps(steps: Sequence[Sequence[Step]]) -> np.ndarray:
    """The steps of N images as (N, P) of :data:`STEP`, each row closed by :data:`END`."""
    length = max(map(len, steps), default=0) + 1
    packed = no_steps(len(steps), length)
    for row, drawn in zip(packed, steps, strict=True):
        row[: len(drawn)] = [(OPERATIONS.index(name), value) for name, value in drawn]
    return packed


def no_steps(images: int, length: int = 1) -> np.ndarray:
    """The (images, length) table of images that lack nothing."""
    return np.full((images, length), np.array((END, 0), STEP))


def join_steps(tables: Sequence[np.ndarray]) -> np.ndarray:
    """The tables of several batches, one below the other."""
    joined = no_steps(sum(map(len, tables)), max(table.shape[1] for table in tables))
    start = 0
    for table in tables:
        joined[start : start + len(table), : table.shape[1]] = table
        start += len(table)
    return joined


def images_and_steps(view: torch.Tensor | RawView) -> tuple[torch.Tensor, np.ndarray]:
    """Of a batch of a view; there are no steps where it is a tensor."""
    if isinstance(view, RawView):
        return view.images, view.steps
    return view, no_steps(len(view))
