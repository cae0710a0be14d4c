"""The images that excite prototypes."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from .sheets import Row, Tile, draw_sheet

REGION_COLOR = (255, 214, 10)


class Excited(NamedTuple):
    """An image that excites a prototype.

    Attributes:
        picture: (H, W, 3) uint8, as the network saw it.
        name: Its caption.
        score: Its logit.
        box: The region that is excited, (y, x, height, width) as shares of the picture; None for
            the whole.
    """

    picture: np.ndarray
    name: str
    score: float
    box: tuple[float, float, float, float] | None = None


def prototype_sheet(
    titles: Sequence[str], excited: Sequence[Sequence[Excited]], heading: str, out_path: str | Path
) -> None:
    """Draws one PNG: a row for each prototype, the image that excites it most first.

    Args:
        titles: A line for each prototype.
        excited: For each prototype its images.
        heading: A line above.
        out_path: PNG file to write.
    """
    rows: list[Row] = [
        [Tile(_framed(one), f'{one.score:.2f} {one.name}') for one in images] for images in excited
    ]
    draw_sheet(heading, rows, out_path, titles)


def _framed(one: Excited) -> np.ndarray:
    if one.box is None:
        return one.picture
    image = Image.fromarray(one.picture)
    factor = max(1, 224 // max(image.size))  # so that a line is thin on a small view
    image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    top, left, height, width = (
        share * side for share, side in zip(one.box, (image.height, image.width) * 2, strict=True)
    )
    edges = (left, top, left + width - 1, top + height - 1)
    ImageDraw.Draw(image).rectangle(edges, outline=REGION_COLOR, width=max(1, image.width // 80))
    return np.array(image)
