"""Tables of position embeddings for other grids than their own."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def resize_positions(
    positions: Tensor,
    num_extra: int,
    native: tuple[int, int],
    grid: tuple[int, int],
    offset: float = 0.0,
    antialias: bool = False,
    mode: str = 'bicubic',
) -> Tensor:
    """A table (1, E + h0 * w0, C) of the grid (h0, w0) for the grid (h, w): (1, E + h * w, C).

    The factors are ((h + offset) / h0, (w + offset) / w0). Published DINO and DINOv2 add .1
    against rounding, which moves the sampling points a little; DINOv2 with registers adds
    nothing and filters against aliasing.

    Args:
        positions: The table, E = ``num_extra`` entries without a place first, which stay.
        num_extra: E.
        native: (h0, w0).
        grid: (h, w).
        offset: See above; 0 resizes to the exact size.
        antialias: Filter where the grid becomes smaller.
        mode: Of ``F.interpolate``.
    """
    if grid == native:
        return positions
    table = positions[:, num_extra:].unflatten(1, native).permute(0, 3, 1, 2).float()
    if offset:
        scale = [(size + offset) / size0 for size, size0 in zip(grid, native, strict=True)]
        table = F.interpolate(table, scale_factor=scale, mode=mode, antialias=antialias)
    else:
        table = F.interpolate(table, size=grid, mode=mode, antialias=antialias)
    table = table.flatten(2).transpose(1, 2).to(positions.dtype)
    return torch.cat([positions[:, :num_extra], table], dim=1)


def square_grid(positions: Tensor, num_extra: int) -> tuple[int, int]:
    """The grid of a foreign table (1, E + n * n, C).

    Raises:
        ValueError: Its places are no square.
    """
    places = positions.shape[1] - num_extra
    side = math.isqrt(max(places, 0))
    if side < 1 or side**2 != places:
        raise ValueError(
            f'pos_embed of the weights has {positions.shape[1]} entries, {num_extra} of them '
            'without a place: the others are no square grid that could be resized. Set '
            'model.backbone.img_size to the size that the weights were trained at'
        )
    return side, side
