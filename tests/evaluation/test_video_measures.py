import math

import numpy as np
import pytest
from scipy import ndimage

from dinomm.evaluation.video_measures import TOLERANCE, boundary, boundary_accuracy, statistics


def boundary_by_definition(mask):
    """Pixel by pixel: it differs from its right, lower or diagonal neighbour inside the image."""
    height, width = mask.shape
    edges = np.zeros_like(mask)
    for y in range(height):
        for x in range(width):
            near = [(y, x + 1), (y + 1, x)]
            if y < height - 1 and x < width - 1:
                near.append((y + 1, x + 1))
            edges[y, x] = any(mask[y, x] != mask[v, u] for v, u in near if v < height and u < width)
    return edges


def accuracy_by_definition(found, true, tolerance=TOLERANCE):
    """Every boundary pixel looks for one of the other's within the tolerance, by distances."""
    edges, true_edges = boundary_by_definition(found), boundary_by_definition(true)
    radius = math.ceil(tolerance * math.hypot(*found.shape))
    points, true_points = np.argwhere(edges), np.argwhere(true_edges)
    if not len(points) or not len(true_points):
        return float(len(points) == len(true_points))
    distance = np.linalg.norm(points[:, None] - true_points[None], axis=-1)
    precision = (distance.min(1) <= radius).mean()
    recall = (distance.min(0) <= radius).mean()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def blobs(seed, shape=(60, 90)):
    noise = np.random.default_rng(seed).random(shape)
    return ndimage.gaussian_filter(noise, 4) > 0.5


def test_the_boundary_lies_towards_the_origin():
    mask = np.zeros((5, 6), bool)
    mask[2:4, 2:5] = True
    rows = ['......', '.####.', '.#..#.', '.####.', '......']
    assert boundary(mask).tolist() == [[c == '#' for c in row] for row in rows]


def test_the_boundary_of_blobs_that_touch_the_edges():
    for seed in range(5):
        mask = blobs(seed, (17, 23))
        assert np.array_equal(boundary(mask), boundary_by_definition(mask))


@pytest.mark.parametrize('tolerance', [TOLERANCE, 0.03])
def test_accuracy_against_all_distances(tolerance):
    values = []
    for seed in range(6):
        true = blobs(seed)
        for found in (blobs(seed + 100), np.roll(true, (1, 2), (0, 1)), true[::-1]):
            value = boundary_accuracy(found, true, tolerance)
            expected = accuracy_by_definition(found, true, tolerance)
            assert value == pytest.approx(expected, abs=1e-12)
            values.append(value)
    assert max(values) - min(values) > 0.3


def test_an_empty_mask_against_another_and_against_none():
    empty, full = np.zeros((8, 8), bool), np.ones((8, 8), bool)
    some = empty.copy()
    some[2:5, 2:5] = True
    assert boundary_accuracy(some, some) == 1
    assert boundary_accuracy(empty, some) == boundary_accuracy(some, empty) == 0
    assert boundary_accuracy(empty, empty) == boundary_accuracy(full, empty) == 1
    far = np.zeros((80, 80), bool)
    near = far.copy()
    near[2:5, 2:5] = far[60:63, 60:63] = True
    assert boundary_accuracy(near, far) == 0


def test_recall_and_decay_by_hand():
    """Quarters of nine frames share their ends: 0-2, 2-4, 4-6, 6-8."""
    values = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
    mean, recall, decay = statistics(values)
    assert mean == pytest.approx(0.5)
    assert recall == pytest.approx(4 / 9)
    assert decay == pytest.approx(0.8 - 0.2)


def test_decay_of_a_long_video_and_of_one_frame():
    values = np.linspace(1, 0, 401)  # more frames than 8 bits number
    assert statistics(values).decay == pytest.approx(values[:101].mean() - values[300:].mean())
    assert statistics(np.array([0.7])) == pytest.approx((0.7, 1.0, 0.0))
    with pytest.raises(ValueError, match='no frame'):
        statistics(np.array([]))
