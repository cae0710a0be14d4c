"""Features of patches as colours: their first principal components as red, green and blue.

As DINOv2 shows its features (arXiv:2304.07193, figure 1): the components are shared by all
pictures, so that equal colours are equal features.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from .heat import enlarge
from .sheets import Tile, draw_sheet

Background = Literal['keep', 'low', 'high']
PERCENTILES = (1, 99)
"""Of a component, shown as 0 and 1."""

HIDDEN = (24, 24, 28)
"""Colour of what is left out."""


class Components(NamedTuple):
    """Principal components of rows of features.

    Attributes:
        mean: (C,).
        directions: (k, C) of length 1, the one of largest variance first; of each the entry of
            largest size is positive.
        share: (k,) of the variance.
    """

    mean: np.ndarray
    directions: np.ndarray
    share: np.ndarray

    def project(self, rows: np.ndarray) -> np.ndarray:
        """(N, C) to (N, k)."""
        return (rows - self.mean) @ self.directions.T


def principal_components(rows: np.ndarray, number: int) -> Components:
    """The first components of (N, C), in float64.

    Raises:
        ValueError: There are fewer rows or columns than components.
    """
    rows = np.asarray(rows, dtype=np.float64)
    if min(rows.shape) < number:
        raise ValueError(
            f'{rows.shape[0]} features of {rows.shape[1]} numbers have no {number} principal '
            'components: give more or larger images'
        )
    mean = rows.mean(0)
    variances, vectors = np.linalg.eigh((rows - mean).T @ (rows - mean))
    directions = vectors[:, ::-1][:, :number].T
    largest = np.abs(directions).argmax(1)
    directions *= np.sign(directions[np.arange(number), largest])[:, None]
    share = variances[::-1][:number] / max(variances.sum(), np.finfo(float).tiny)
    return Components(mean, directions, share)


def feature_colors(
    features: Sequence[np.ndarray], background: Background = 'keep'
) -> list[np.ndarray]:
    """Colours of the cells of several pictures, by components that all of them share.

    Args:
        features: For each picture (h, w, C).
        background: 'low' or 'high' leave out the cells that lie below or above the mean on the
            first component; the colours are then the components of the others alone. Which side
            is the background depends on the network: look at both.

    Returns:
        For each picture (h, w, 3) from 0 to 1, NaN where a cell is left out.

    Raises:
        ValueError: There are fewer than three cells, or components.
    """
    rows = np.concatenate([picture.reshape(-1, picture.shape[-1]) for picture in features])
    rows = rows.astype(np.float64)
    shown = _shown(rows, background)
    projected = principal_components(rows[shown], 3).project(rows[shown])
    low, high = np.percentile(projected, PERCENTILES, axis=0)
    colors = np.full((len(rows), 3), np.nan)
    colors[shown] = np.clip((projected - low) / np.maximum(high - low, 1e-12), 0, 1)
    ends = np.cumsum([picture.shape[0] * picture.shape[1] for picture in features])[:-1]
    return [
        part.reshape(*picture.shape[:2], 3)
        for part, picture in zip(np.split(colors, ends), features, strict=True)
    ]


def _shown(rows: np.ndarray, background: Background) -> np.ndarray:
    """(N,) booleans."""
    if background == 'keep':
        return np.ones(len(rows), dtype=bool)
    first = principal_components(rows, 1).project(rows)[:, 0]
    return first > 0 if background == 'low' else first < 0


def pca_sheet(
    pictures: Sequence[np.ndarray],
    colors: Sequence[np.ndarray],
    names: Sequence[str],
    out_path: str | Path,
) -> None:
    """Draws one PNG: pictures, and below each the colours of its cells.

    Args:
        pictures: (H, W, 3) uint8, as the network saw them.
        colors: For each what :func:`feature_colors` gives.
        names: Captions.
        out_path: PNG file to write.
    """
    columns = min(5, len(pictures))
    above = [Tile(picture, name) for picture, name in zip(pictures, names, strict=True)]
    below = [
        Tile(enlarge(_bytes(cells), picture.shape[:2]))
        for picture, cells in zip(pictures, colors, strict=True)
    ]
    rows = [
        tiles[first : first + columns]
        for first in range(0, len(pictures), columns)
        for tiles in (above, below)
    ]
    heading = 'Three principal components of the regions as red, green and blue, shared by all'
    draw_sheet(heading, rows, out_path)


def _bytes(colors: np.ndarray) -> np.ndarray:
    hidden = np.isnan(colors)
    return np.where(hidden, HIDDEN, np.rint(255 * np.where(hidden, 0, colors))).astype(np.uint8)
