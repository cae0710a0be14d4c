"""How well objects of a video are segmented: region similarity J and boundary accuracy F.

Perazzi et al., CVPR 2016, section 5, in the form of DAVIS-2017 (arXiv:1704.00675).
"""

import math
from typing import NamedTuple

import cv2
import numpy as np

TOLERANCE = 0.008  # of the image's diagonal


class Statistics(NamedTuple):
    """A measure over the frames of a video.

    Attributes:
        mean: Over the frames.
        recall: Share of the frames above .5.
        decay: Mean of the first quarter less that of the last.
    """

    mean: float
    recall: float
    decay: float


def boundary(mask: np.ndarray) -> np.ndarray:
    """Pixels (H, W) that differ from the one to the right, below, or right below."""
    padded = np.pad(mask, ((0, 1), (0, 1)), mode='edge')
    edges = (mask ^ padded[:-1, 1:]) | (mask ^ padded[1:, :-1])
    edges[:-1, :-1] |= mask[:-1, :-1] ^ mask[1:, 1:]
    return edges


def boundary_accuracy(found: np.ndarray, true: np.ndarray, tolerance: float = TOLERANCE) -> float:
    """F of two boolean masks (H, W): precision and recall of the boundary pixels.

    A boundary pixel is right if one of the other mask's lies within the tolerance, rounded up to
    whole pixels. 1 if neither mask has a boundary, 0 if one alone has.

    Args:
        found: The segmentation.
        true: The annotation.
        tolerance: Share of the image's diagonal.
    """
    edges, true_edges = boundary(found), boundary(true)
    if not (edges.any() and true_edges.any()):
        return float(edges.any() == true_edges.any())
    radius = math.ceil(tolerance * math.hypot(*found.shape))
    precision = edges[_widen(true_edges, radius)].sum() / edges.sum()
    recall = true_edges[_widen(edges, radius)].sum() / true_edges.sum()
    if precision + recall == 0:
        return 0.0
    return float(2 * precision * recall / (precision + recall))


def _widen(edges: np.ndarray, radius: int) -> np.ndarray:
    offsets = np.arange(-radius, radius + 1)
    disk = (offsets[:, None] ** 2 + offsets**2 <= radius**2).astype(np.uint8)
    return cv2.dilate(edges.astype(np.uint8), disk).astype(bool)


def statistics(values: np.ndarray) -> Statistics:
    """Mean, recall and decay of a measure over frames (T,), T >= 1.

    Raises:
        ValueError: There is no frame.
    """
    if not len(values):
        raise ValueError('statistics of no frame: a video needs three annotated frames or more')
    # quarters share the frames between them, as published
    ends = np.round(np.linspace(1, len(values), 5) + 1e-10).astype(int) - 1
    first, last = values[: ends[1] + 1], values[ends[3] :]
    return Statistics(
        float(values.mean()), float((values > 0.5).mean()), float(first.mean() - last.mean())
    )
