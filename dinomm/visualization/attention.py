"""What the heads of the last block look at."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from dinomm.evaluation.attention_segmentation import MASS, attention_masks

from .heat import heat, mark, spotlight
from .sheets import Row, Tile, draw_sheet

HEADS_IN_A_ROW = 6


def attention_sheet(
    pictures: Sequence[np.ndarray],
    maps: Sequence[np.ndarray],
    names: Sequence[str],
    out_path: str | Path,
    mass: float = MASS,
    query: tuple[float, float] | None = None,
) -> None:
    """Draws one PNG: for each picture the attention of all heads' mean and of each head.

    Above as colours, each map in a scale of its own; below the places that hold the share ``mass``
    of the attention.

    Args:
        pictures: (H, W, 3) uint8, as the network saw them.
        maps: For each (heads, h, w), see `dinomm.evaluation.attention_maps.attention_maps`.
        names: Captions.
        out_path: PNG file to write.
        mass: Share of the attention, above 0 and up to 1.
        query: The point (x, y) that looks, shares of width and height; it is marked.

    Raises:
        ValueError: ``mass`` is no share.
    """
    rows: list[Row] = []
    for picture, heads, name in zip(pictures, maps, names, strict=True):
        rows += _rows(picture, np.asarray(heads, dtype=np.float64), name, mass, query)
    whose = 'of the point in the ring' if query else 'of the last block'
    heading = (
        f'Attention {whose}: mean of the heads and each head, in a scale of its own; '
        f'below the places that hold {mass:.0%} of it'
    )
    draw_sheet(heading, rows, out_path)


def _rows(
    picture: np.ndarray,
    heads: np.ndarray,
    name: str,
    mass: float,
    query: tuple[float, float] | None,
) -> list[Row]:
    maps = np.concatenate([heads.mean(0, keepdims=True), heads])
    masks = attention_masks(torch.from_numpy(maps).flatten(1), mass).view(maps.shape).numpy()
    titles = ['mean', *(f'head {number}' for number in range(1, len(maps)))]
    above = [Tile(heat(picture, cells), title) for cells, title in zip(maps, titles, strict=True)]
    below = [Tile(spotlight(picture, mask), f'{mask.mean():.0%} of the area') for mask in masks]
    shown = mark(picture, query) if query else picture
    rows: list[Row] = []
    for first in range(1, len(maps), HEADS_IN_A_ROW):
        chosen = slice(first, first + HEADS_IN_A_ROW)
        left: list[list[Tile | None]] = [[None, None], [None, None]]
        if first == 1:
            left = [[Tile(shown, name), above[0]], [None, below[0]]]
        rows += [[*left[0], *above[chosen]], [*left[1], *below[chosen]]]
    return rows
