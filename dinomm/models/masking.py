"""Which patches of the student's global views are masked."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from dinomm.engine.batch_part import BatchPart
from dinomm.engine.schedules import Clock
from dinomm.registry import MODELS


class Masks(NamedTuple):
    """Masked cells of the N views of a group; only its M masked cells concern a loss.

    Attributes:
        cells: (N, T) bool, T the cells of a view, row-major.
        rows: (M,) places of the masked cells among all N * T.
        weights: (M,) float32: with them a sum over the masked cells is the mean over all global
            views of each view's mean.
    """

    cells: Tensor
    rows: Tensor
    weights: Tensor

    @classmethod
    def of(cls, cells: np.ndarray, num_views: int) -> 'Masks':
        """From (N, T) bool, on the CPU; ``num_views`` is that of all global views."""
        rows = np.flatnonzero(cells)
        of_view = cells.sum(1)[rows // cells.shape[1]]
        weights = (1 / (of_view * num_views)).astype(np.float32)
        return cls(*map(torch.from_numpy, (cells, rows, weights)))

    def to(self, device: torch.device) -> 'Masks':
        """Copies to a device without waiting for it."""
        if device.type == 'cuda':
            return Masks(*(part.pin_memory().to(device, non_blocking=True) for part in self))
        return Masks(*(part.to(device) for part in self))


@MODELS.register_module()
class PatchMasking:
    """Masks of the student's global views, as iBOT and DINOv2 draw them.

    A share of the global views is masked (iBOT, arXiv 2111.07832, section 3.2; DINOv2, arXiv
    2304.07193), each in another ratio of its cells: the ratios are spread evenly between two
    bounds, and dealt out at random. Views and ratios are drawn for the whole batch of an
    optimizer step, from (seed, step), and each process takes those of its images: one process or
    two, one batch or micro-batches of it give the same masks.

    Args:
        share: How many of the global views are masked.
        ratio: Bounds of the share of a view's cells.
        shape: 'block' (rectangles, until there are enough) or 'random' (single cells).
        min_cells: The smallest block's cells. iBOT: (min(h, w) // 3) ** 2; DINOv2: 4.
        aspect: A block's aspect lies between this and its inverse.
        exact: Single cells make up for what blocks lack to the ratio (DINOv3).
        start_epoch: There are no masks before it (50 for iBOT's Swin).
    """

    tries = 10

    def __init__(
        self,
        share: float = 0.5,
        ratio: Sequence[float] = (0.1, 0.5),
        shape: str = 'block',
        min_cells: int = 4,
        aspect: float = 0.3,
        exact: bool = False,
        start_epoch: int = 0,
    ):
        if not 0 <= share <= 1:
            raise ValueError(f'model.masking.share is {share}: expected a number from 0 to 1')
        if len(ratio) != 2 or not 0 <= ratio[0] <= ratio[1] <= 1:
            raise ValueError(
                f'model.masking.ratio is {ratio}: expected two numbers from 0 to 1, e.g. (.1, .5)'
            )
        if shape not in ('block', 'random'):
            raise ValueError(f"model.masking.shape is {shape!r}: expected 'block' or 'random'")
        if not 0 < aspect <= 1:
            raise ValueError(f'model.masking.aspect is {aspect}: expected a number in (0, 1]')
        if min_cells < 1:
            raise ValueError(f'model.masking.min_cells is {min_cells}: expected a number from 1')
        self.share, self.ratio, self.shape = share, tuple(ratio), shape
        self.min_cells, self.aspect, self.exact = min_cells, aspect, exact
        self.start_epoch = start_epoch

    def ratios(self, part: BatchPart, num_views: int, batch: int) -> np.ndarray:
        """(num_views, B): the ratio of each global view of this process's images; 0 unmasked."""
        views = num_views * part.total(batch)
        masked = int(views * self.share)
        bounds = np.linspace(self.ratio[0], self.ratio[1], masked + 1)
        generator = np.random.default_rng(part.key)
        drawn = np.zeros(views)
        drawn[:masked] = generator.uniform(bounds[:-1], bounds[1:])
        generator.shuffle(drawn)
        return drawn.reshape(num_views, -1)[:, part.places(batch)]

    def draw(
        self,
        part: BatchPart,
        ratios: np.ndarray,
        grid: tuple[int, int],
        first_view: int = 0,
    ) -> np.ndarray:
        """Masked cells (V * B, T) bool of some global views, view-major.

        Args:
            part: What :meth:`ratios` was given.
            ratios: (V, B) of these views.
            grid: (h, w) cells of a view.
            first_view: Which of the global views the first of these is.
        """
        cells = grid[0] * grid[1]
        masks = np.zeros((*ratios.shape, *grid), dtype=bool)
        places = part.places(ratios.shape[1])
        for view, image in np.argwhere(ratios > 0):
            number = int(ratios[view, image] * cells)
            key = (*part.key, int(first_view + view), int(places[image]))
            self._mask(masks[view, image], number, np.random.default_rng(key))
        return masks.reshape(-1, cells)

    def _mask(self, mask: np.ndarray, number: int, generator: np.random.Generator) -> None:
        """Masks about ``number`` cells of ``mask`` (h, w) in place."""
        if self.shape == 'block':
            missing = number
            while missing > 0 and (added := self._add_block(mask, missing, generator)):
                missing -= added
        missing = number - int(mask.sum())
        if missing > 0 and (self.exact or self.shape == 'random'):
            free = np.flatnonzero(~mask)
            mask.flat[generator.choice(free, missing, replace=False)] = True

    def _add_block(self, mask: np.ndarray, most: int, generator: np.random.Generator) -> int:
        """Adds a block of at most ``most`` new cells; 0 if none of the tries fitted."""
        height, width = mask.shape
        for _ in range(self.tries):
            area = generator.uniform(min(self.min_cells, most), most)
            aspect = math.exp(generator.uniform(math.log(self.aspect), -math.log(self.aspect)))
            h, w = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if not (0 < h < height and 0 < w < width):
                continue
            top, left = generator.integers(height - h + 1), generator.integers(width - w + 1)
            block = mask[top : top + h, left : left + w]
            added = h * w - int(block.sum())
            if 0 < added <= most:
                block[:] = True
                return added
        return 0


def masks_of_groups(
    masking: PatchMasking,
    clock: Clock,
    part: BatchPart,
    batch: int,
    groups: Sequence[tuple[int, int, tuple[int, int]]],
) -> list[Masks]:
    """Masks of this process's global views.

    Args:
        masking: How they are drawn.
        clock: Before ``masking.start_epoch`` nothing is masked.
        part: Which part of the step's images is here.
        batch: B, the number of images here.
        groups: Of each group that has global views: how many, how many views in all (the others
            stay unmasked), and the grid of cells (h, w).
    """
    num_views = sum(seen for seen, _, _ in groups)
    ratios = masking.ratios(part, num_views, batch)
    if clock.epoch < masking.start_epoch:
        ratios = np.zeros_like(ratios)
    masks, first = [], 0
    for seen, views, grid in groups:
        cells = masking.draw(part, ratios[first : first + seen], grid, first)
        unmasked = np.zeros(((views - seen) * batch, cells.shape[1]), dtype=bool)
        masks.append(Masks.of(np.concatenate([cells, unmasked]), num_views * batch))
        first += seen
    return masks
