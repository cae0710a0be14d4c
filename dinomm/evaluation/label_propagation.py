"""Segments a video by carrying the first frame's labels on, from region to similar region.

The protocol of DINO (arXiv:2104.14294, section 4.2.2, after arXiv:2006.14613): no training, only
cosines of a frozen network's regions.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

SIMILARITIES_AT_ONCE = 1 << 24  # 64 MiB in float32


class Propagation(NamedTuple):
    """The constants of the protocol.

    Attributes:
        last_frames: So many frames before the present one give labels, besides the first.
        radius: A region takes labels from regions at most so many rows and columns away.
        top: From so many regions, those most similar; all that equal the last of them count.
        temperature: A cosine c weighs exp(c / temperature).
    """

    last_frames: int = 7
    radius: int = 12
    top: int = 5
    temperature: float = 0.1

    def checked(self) -> 'Propagation':
        """Itself.

        Raises:
            ValueError: A constant makes no sense.
        """
        for name, value, least in zip(self._fields, self, (0, 0, 1, 0), strict=True):
            if value < least or (name == 'temperature' and not value):
                raise ValueError(f'{name} of the label propagation is {value}: expected more')
        return self


def propagate_labels(
    target: Tensor,
    sources: Tensor,
    labels: Tensor,
    grid: tuple[int, int],
    constants: Propagation | None = None,
) -> Tensor:
    """Labels of a frame's regions from those of other frames.

    Args:
        target: (h * w, C) regions, of any length.
        sources: (S, h * w, C) regions of S frames.
        labels: (S, h * w, K) their weights of K labels.
        grid: (h, w).
        constants: Of the protocol; ``last_frames`` is not looked at.

    Returns:
        (h * w, K) float32. A part of the target is compared at once.

    Raises:
        ValueError: The regions do not fill the grid, or labels and sources do not fit.
    """
    constants = constants or Propagation()
    regions = grid[0] * grid[1]
    if target.shape[0] != regions or sources.shape[1] != regions:
        raise ValueError(
            f'{target.shape[0]} and {sources.shape[1]} regions do not fill a grid of '
            f'{grid[0]}x{grid[1]}: give the regions of frames of one size'
        )
    if labels.shape[:2] != sources.shape[:2]:
        raise ValueError(
            f'labels of shape {tuple(labels.shape)} for sources of {tuple(sources.shape)}: give '
            'each region of each source a row of labels'
        )
    with torch.autocast(target.device.type, enabled=False):
        target, sources = (F.normalize(f.float(), dim=-1) for f in (target, sources))
        flat, given = sources.flatten(0, 1), labels.float().flatten(0, 1)
        numbers = torch.arange(regions, device=target.device)
        rows, columns = numbers // grid[1], numbers % grid[1]
        parts = []
        for part in numbers.split(max(1, SIMILARITIES_AT_ONCE // len(flat))):
            far = (rows[part, None] - rows).abs() > constants.radius
            far |= (columns[part, None] - columns).abs() > constants.radius
            cosine = target[part] @ flat.T
            cosine.masked_fill_(far.repeat(1, len(sources)), -torch.inf)
            weakest = cosine.topk(min(constants.top, len(flat)), dim=1).values[:, -1:]
            cosine.masked_fill_(cosine < weakest, -torch.inf)
            parts.append((cosine / constants.temperature).softmax(1) @ given)
        return torch.cat(parts)


def propagate_through(
    frames: Iterable[Tensor],
    first_labels: Tensor,
    grid: tuple[int, int],
    constants: Propagation | None = None,
) -> Iterator[Tensor]:
    """Labels of every frame after the first.

    Args:
        frames: (h * w, C) regions, the first frame's first; read one by one, and no more are kept
            than the constants say.
        first_labels: (h * w, K).
        grid: (h, w).
        constants: Of the protocol.

    Yields:
        (h * w, K) for each frame but the first.
    """
    constants = constants or Propagation()
    frames = iter(frames)
    first = next(frames)
    last: deque[tuple[Tensor, Tensor]] = deque(maxlen=constants.last_frames)
    first_labels = first_labels.to(first.device)
    for frame in frames:
        sources, labels = zip((first, first_labels), *last, strict=True)
        found = propagate_labels(frame, torch.stack(sources), torch.stack(labels), grid, constants)
        last.append((frame, found))
        yield found


def label_map(labels: Tensor, grid: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """The strongest label of each pixel, (H, W) int64.

    Labels are enlarged bilinearly and each is stretched from 0 to its own largest 1, as published:
    else a small object, smeared over several regions, never wins.

    Args:
        labels: (h * w, K) weights.
        grid: (h, w).
        size: (H, W).
    """
    maps = labels.T.reshape(1, -1, *grid).float()
    maps = F.interpolate(maps, size, mode='bilinear', align_corners=False)[0].flatten(1)
    lowest, largest = maps.aminmax(dim=1, keepdim=True)
    stretched = (maps - lowest) / (largest - lowest)
    return torch.where(largest > lowest, stretched, maps).argmax(0).view(size)


def one_hot_labels(numbers: Tensor, count: int) -> Tensor:
    """(h, w) numbers of objects to (h * w, 1 + count) labels; 0 is background."""
    return F.one_hot(numbers.long().flatten(), 1 + count).float()
