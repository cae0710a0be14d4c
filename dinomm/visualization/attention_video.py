"""A frame of a film beside the attention that it draws."""

import math

import numpy as np
from PIL import Image

from .heat import heat, mark
from .sheets import GAP, PAPER, scaled

SIDE = 360  # longest side of a tile, pixels


def attention_frame(
    picture: np.ndarray,
    maps: np.ndarray,
    all_heads: bool = False,
    query: tuple[float, float] | None = None,
) -> np.ndarray:
    """The frame, the mean of the heads and, if asked for, each head: (H, W, 3) uint8.

    Args:
        picture: (H, W, 3) uint8, as the network saw it.
        maps: (heads, h, w), see `dinomm.evaluation.attention_maps.attention_maps`.
        all_heads: Whether each head is shown, in as many columns as rows, about.
        query: The point (x, y) that looks, shares of width and height; it is marked.
    """
    maps = np.asarray(maps, dtype=np.float64)
    shown = [maps.mean(0), *(maps if all_heads else ())]
    pictures = [mark(picture, query) if query else picture, *(heat(picture, m) for m in shown)]
    tiles = [np.asarray(scaled(tile, SIDE)) for tile in pictures]
    height, width = tiles[0].shape[:2]
    columns = max(2, math.ceil(math.sqrt(len(tiles) * height / width)))
    rows = -(-len(tiles) // columns)
    size = (columns * (width + GAP) - GAP, rows * (height + GAP) - GAP)
    sheet = np.array(Image.new('RGB', size, PAPER))
    for i, tile in enumerate(tiles):
        top, left = i // columns * (height + GAP), i % columns * (width + GAP)
        sheet[top : top + height, left : left + width] = tile
    return sheet
