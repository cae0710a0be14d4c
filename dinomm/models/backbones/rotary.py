"""Rotary position embedding over the two axes of an image, as DINOv3 has it.

Siméoni et al. 2025, arXiv:2508.10104, section 3.2; Su et al. 2021, arXiv:2104.09864.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

BASE = 100.0


class Rotation(NamedTuple):
    """Cosine and sine (L, D) of the angles by which queries and keys of L tokens are turned."""

    cos: Tensor
    sin: Tensor


def rotation(
    grid: tuple[int, int],
    num_extra: int,
    head_channels: int,
    device: torch.device,
    max_rescale: float = 0.0,
    base: float = BASE,
) -> Rotation:
    """The angles of ``num_extra`` tokens without a position and the patches of a grid, float32.

    A patch's centre lies in [-1, 1] on each axis; a quarter of the channels is a frequency
    2 pi / base ** (2 i / (D / 2)) for each axis, once for each half of the head.

    Args:
        grid: (h, w) of the patches.
        num_extra: Tokens before the patches, which are not turned.
        head_channels: D, a multiple of 4.
        device: Of the result.
        max_rescale: r > 1 multiplies the coordinates by a random factor, log-uniform in [1/r, r].
        base: Of the frequencies.
    """
    axes = [(2 * torch.arange(n, device=device) + 1) / n - 1 for n in grid]
    centres = torch.stack(torch.meshgrid(*axes, indexing='ij'), -1).flatten(0, 1)
    if max_rescale:
        limit = math.log(max_rescale)
        centres = centres * torch.empty(1, device=device).uniform_(-limit, limit).exp()
    quarter = head_channels // 4
    periods = base ** (torch.arange(quarter, device=device) / quarter)
    angles = (2 * math.pi * centres[:, :, None] / periods).flatten(1).tile(2)
    angles = torch.cat([angles.new_zeros(num_extra, head_channels), angles])
    return Rotation(angles.cos(), angles.sin())


def rotate(heads: Tensor, by: Rotation) -> Tensor:
    """Queries or keys (B, heads, L, D), each turned by its token's angles."""
    first, second = heads.chunk(2, dim=-1)
    turned = heads * by.cos + torch.cat([-second, first], dim=-1) * by.sin
    return turned.to(heads.dtype)
