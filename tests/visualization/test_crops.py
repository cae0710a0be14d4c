import numpy as np
import pytest
from PIL import Image

from dinomm.visualization import crop_sheet
from dinomm.visualization.crops import GLOBAL_COLOR, LOCAL_COLOR, MARGIN, PHOTOGRAPH


def flat(height, width, color):
    return np.full((height, width, 3), color, dtype=np.uint8)


def draw(path, **changes):
    """A grey photograph of 210 x 420 with one global and two local views; read back."""
    arguments = {
        'images': [flat(210, 420, (128, 128, 128))],
        'views': [[flat(64, 64, (255, 0, 255)), *[flat(32, 32, (0, 255, 255))] * 2]],
        'boxes': [[(10, 40, 180, 300), (100, 200, 60, 90), (20, 330, 50, 40)]],
        'flips': [[False, True, False]],
    } | changes
    crop_sheet(**arguments, out_path=path)
    with Image.open(path) as sheet:
        assert sheet.format == 'PNG'
        return np.asarray(sheet)


def count(sheet, color):
    return int((sheet == color).all(-1).sum())


def row_top(sheet):
    """First line of the photographs, which are grey."""
    return int(np.flatnonzero((sheet[:, MARGIN] == 128).all(-1))[0])


def test_boxes_lie_where_the_views_were_cut(tmp_path):
    sheet = draw(tmp_path / 'sheet.png')
    photograph = sheet[row_top(sheet) :, MARGIN : MARGIN + PHOTOGRAPH]
    for (y, x, height, width), color in (
        ((10, 40, 180, 300), GLOBAL_COLOR),
        ((100, 200, 60, 90), LOCAL_COLOR),
        ((20, 330, 50, 40), LOCAL_COLOR),
    ):
        bottom, right = y + height - 1, x + width - 1
        for point in ((bottom, x), (bottom, right), (y, right), (bottom, x + width // 2)):
            assert tuple(photograph[point]) == color
        assert tuple(photograph[y + height // 2, x - 1]) != color


def test_views_are_shown_uncovered_and_pixel_for_pixel(tmp_path):
    odd = np.indices((4, 4)).sum(0)[..., None] % 2
    checkered = (odd * (0, 255, 0)).astype(np.uint8)
    views = [[checkered, flat(2, 2, (0, 255, 255))]]
    boxes, flips = [[(0, 0, 9, 9)] * 2], [[False] * 2]
    sheet = draw(tmp_path / 'sheet.png', views=views, boxes=boxes, flips=flips)
    green = (sheet == (0, 255, 0)).all(-1)
    ys, xs = np.nonzero(green)
    side = ys.max() - ys.min() + 1
    assert side == xs.max() - xs.min() + 1 >= 150
    assert green.sum() == side * side / 2
    assert count(sheet, (0, 255, 255)) >= 80 * 80


def test_images_are_stacked(tmp_path):
    one = draw(tmp_path / 'one.png')
    photograph = flat(400, 400, (128, 128, 128))
    view, box = flat(64, 64, (255, 0, 255)), (10, 10, 300, 300)
    two = draw(
        tmp_path / 'two.png',
        images=[photograph] * 2,
        views=[[view]] * 2,
        boxes=[[box]] * 2,
        flips=[[True]] * 2,
    )
    assert count(two, (255, 0, 255)) == 2 * count(one, (255, 0, 255))
    assert two.shape[0] > 2 * PHOTOGRAPH


def test_mirrored_views_are_marked(tmp_path):
    marked = draw(tmp_path / 'a.png')
    plain = draw(tmp_path / 'b.png', flips=[[False] * 3])
    assert count(marked, LOCAL_COLOR) > count(plain, LOCAL_COLOR)
    assert count(marked, GLOBAL_COLOR) == count(plain, GLOBAL_COLOR)


def test_small_images_are_enlarged(tmp_path):
    sheet = draw(
        tmp_path / 'sheet.png',
        images=[flat(28, 28, (128, 128, 128))],
        boxes=[[(0, 0, 28, 28), (14, 14, 8, 8), (0, 0, 6, 6)]],
    )
    assert count(sheet, (128, 128, 128)) > 100_000


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'images': []}, '0 images'),
        ({'flips': []}, 'expected one list of each'),
        ({'boxes': [[(0, 0, 5, 5)]]}, '3 views, 1 boxes'),
        ({'images': [np.zeros((4, 4, 3), np.float32)]}, 'float32'),
        ({'images': [np.zeros((4, 4), np.uint8)]}, r'\(4, 4\)'),
    ],
)
def test_wrong_input(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        draw(tmp_path / 'sheet.png', **change)
    assert list(tmp_path.iterdir()) == []
