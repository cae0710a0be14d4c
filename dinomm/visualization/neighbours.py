"""Images beside those that a network takes for the most similar ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .sheets import PAPER, Row, Tile, draw_sheet

QUERY_COLOR = (32, 33, 36)
SAME_COLOR = (46, 125, 50)
OTHER_COLOR = (217, 83, 25)


class Neighbour(NamedTuple):
    """An image found.

    Attributes:
        picture: (H, W, 3) uint8.
        name: Its caption.
        cosine: Similarity to the query.
        is_same: Whether its class is the query's; None where a class is unknown.
    """

    picture: np.ndarray
    name: str
    cosine: float
    is_same: bool | None = None


def neighbour_sheet(
    queries: Sequence[np.ndarray],
    names: Sequence[str],
    neighbours: Sequence[Sequence[Neighbour]],
    out_path: str | Path,
) -> None:
    """Draws one PNG: a row for each query, its neighbours to the right, nearest first.

    Args:
        queries: (H, W, 3) uint8.
        names: Their captions.
        neighbours: For each query what was found.
        out_path: PNG file to write.
    """
    rows: list[Row] = [
        [Tile(query, name, QUERY_COLOR), *map(_tile, found)]
        for query, name, found in zip(queries, names, neighbours, strict=True)
    ]
    heading = 'Query and its nearest images, with their cosine similarity'
    if any(one.is_same is not None for found in neighbours for one in found):
        heading += '; green: of its class'
    draw_sheet(heading, rows, out_path)


def _tile(found: Neighbour) -> Tile:
    colors = {None: PAPER, True: SAME_COLOR, False: OTHER_COLOR}
    return Tile(found.picture, f'{found.cosine:.3f} {found.name}', colors[found.is_same])
