import numpy as np
import pytest
from matplotlib import colormaps

from dinomm.visualization.heat import GRAY_SHARE, SHADE, enlarge, heat, mark, spotlight

CELLS = np.array([[0.0, 0.1, 0.2], [0.4, 0.05, 0.3]])


def test_every_pixel_has_the_number_of_its_cell():
    large = enlarge(CELLS, (8, 12))
    assert (large == np.kron(CELLS, np.ones((4, 4)))).all()
    uneven = enlarge(CELLS, (5, 7))
    assert uneven.shape == (5, 7) and uneven[4, 6] == 0.3 and uneven[0, 0] == 0


def test_heat_is_the_gray_picture_and_the_colour_of_the_share_of_the_largest():
    picture = np.full((8, 12, 3), (10, 200, 90), np.uint8)
    gray = 0.299 * 10 + 0.587 * 200 + 0.114 * 90
    drawn = heat(picture, CELLS)
    for row, column in np.ndindex(CELLS.shape):
        color = np.array(colormaps['inferno'](CELLS[row, column] / 0.4)[:3])
        expected = GRAY_SHARE * gray + (1 - GRAY_SHARE) * 255 * color
        assert drawn[4 * row + 1, 4 * column + 2] == pytest.approx(expected, abs=0.6)


def test_a_map_of_zeros_is_dark():
    drawn = heat(np.zeros((4, 4, 3), np.uint8), np.zeros((2, 2)))
    assert drawn.max() < 5


def test_spotlight_leaves_the_inside():
    picture = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    drawn = spotlight(picture, np.array([[True, False]]))
    assert (drawn[:, :2] == picture[:, :2]).all()
    gray = SHADE * (picture[:, 2:] @ [0.299, 0.587, 0.114])
    assert drawn[:, 2:, 0] == pytest.approx(gray, abs=0.51)


def test_a_ring_around_the_point():
    picture = np.zeros((100, 200, 3), np.uint8)
    drawn = np.argwhere(mark(picture, (0.75, 0.5)).any(-1))
    assert drawn.mean(0) == pytest.approx([50, 150], abs=1) and not picture.any()
