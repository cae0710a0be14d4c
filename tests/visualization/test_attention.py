import numpy as np
import pytest
from PIL import Image

from dinomm.visualization.attention import attention_sheet
from dinomm.visualization.heat import heat, spotlight
from dinomm.visualization.sheets import MARGIN, scaled

PICTURE = np.random.default_rng(0).integers(0, 256, (240, 240, 3), dtype=np.uint8)
MAPS = np.array([[[0.5, 0.1], [0.1, 0.1]], [[0.0, 0.1], [0.1, 0.7]]])


def draw(path, maps=MAPS, **options):
    attention_sheet([PICTURE], [maps], ['a.png'], path / 'sheet.png', **options)
    with Image.open(path / 'sheet.png') as sheet:
        return np.asarray(sheet)


def holds(sheet, picture):
    """Whether a picture stands on the sheet, pixel for pixel."""
    height, width = picture.shape[:2]
    tops, lefts = np.nonzero((sheet[: 1 - height, : 1 - width] == picture[0, 0]).all(-1))
    return any(
        (sheet[y : y + height, x : x + width] == picture).all()
        for y, x in zip(tops, lefts, strict=True)
    )


def test_heads_their_mean_and_their_masks(tmp_path):
    sheet = draw(tmp_path)
    assert holds(sheet, PICTURE)
    for cells in (MAPS.mean(0), *MAPS):
        assert holds(sheet, heat(PICTURE, cells))
    for mask in ([[1, 1], [0, 0]], [[0, 0], [0, 1]]):
        assert holds(sheet, spotlight(PICTURE, np.array(mask, bool))) == (mask[0][0] == 0)
    assert holds(sheet, spotlight(PICTURE, np.array([[True, False], [False, True]])))  # the mean


def test_mass_decides_what_is_bright(tmp_path):
    whole = spotlight(PICTURE, np.full((2, 2), True))
    hidden = {'query': (0.5, 0.5)}  # the photograph itself does not equal a mask of all of it
    assert holds(draw(tmp_path, mass=1, **hidden), whole)
    assert not holds(draw(tmp_path, mass=0.5, **hidden), whole)
    with pytest.raises(ValueError, match='mass is 0'):
        draw(tmp_path, mass=0)


def test_the_point_is_marked(tmp_path):
    assert not holds(draw(tmp_path, query=(0.5, 0.5)), PICTURE)


def test_many_heads_are_broken_into_lines(tmp_path):
    few, many = draw(tmp_path, np.ones((6, 2, 2))), draw(tmp_path, np.ones((24, 2, 2)))
    assert few.shape[1] == many.shape[1] < 1400
    assert many.shape[0] > 3.5 * (few.shape[0] - 60)


def test_pictures_of_different_shapes(tmp_path):
    wide = PICTURE[:80]
    attention_sheet([PICTURE, wide], [MAPS, MAPS[:, :1]], ['a', 'b'], tmp_path / 'sheet.png')
    with Image.open(tmp_path / 'sheet.png') as sheet:
        pixels = np.asarray(sheet)
    assert holds(pixels, np.asarray(scaled(wide, 240))) and (pixels[:, :MARGIN] == 255).all()
