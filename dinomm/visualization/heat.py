"""Maps of numbers laid over pictures."""

import numpy as np

GRAY_SHARE = 0.35
"""Of the gray picture below the heat."""

SHADE = 0.2
"""Brightness of what lies outside a mask."""


def enlarge(cells: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h, w, ...) to (H, W, ...): each pixel takes the value of the cell that it lies in."""
    rows, columns = (
        np.arange(side) * count // side for side, count in zip(size, cells.shape[:2], strict=True)
    )
    return cells[rows][:, columns]


def heat(picture: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The gray picture below the colours of a map, dark for 0 and bright for its largest value.

    Args:
        picture: (H, W, 3) uint8.
        cells: (h, w) numbers from 0.

    Returns:
        (H, W, 3) uint8.
    """
    from matplotlib import colormaps

    cells = np.asarray(cells, dtype=np.float64)
    colors = colormaps['inferno'](cells / max(cells.max(), np.finfo(float).tiny))[..., :3]
    warm = 255 * enlarge(colors, picture.shape[:2])
    return _bytes(GRAY_SHARE * _gray(picture) + (1 - GRAY_SHARE) * warm)


def spotlight(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The picture, gray and dark outside of a mask (h, w) of booleans: (H, W, 3) uint8."""
    inside = enlarge(np.asarray(mask), picture.shape[:2])[..., None]
    return _bytes(np.where(inside, picture, SHADE * _gray(picture)))


def mark(picture: np.ndarray, query: tuple[float, float]) -> np.ndarray:
    """A copy with a ring around a point (x, y), shares of width and height."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(picture)
    x, y = query[0] * image.width, query[1] * image.height
    radius = max(2.0, max(image.size) / 30)
    draw = ImageDraw.Draw(image)
    for color, ring, width in (((255, 255, 255), radius + 1, 3), ((217, 30, 30), radius, 1)):
        box = (x - ring, y - ring, x + ring, y + ring)
        draw.ellipse(box, outline=color, width=max(1, round(width * radius / 8)))
    return np.array(image)


def _gray(picture: np.ndarray) -> np.ndarray:
    return (picture @ np.array([0.299, 0.587, 0.114]))[..., None]


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
