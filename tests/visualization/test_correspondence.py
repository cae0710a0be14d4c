import numpy as np
import pytest
from PIL import Image

from dinomm.evaluation.correspondence import BestPairs
from dinomm.visualization.correspondence import (
    LINE_COLOR,
    MARGIN,
    SIDE,
    VIEW_COLOR,
    correspondence_sheet,
    two_views,
)

BLACK = np.zeros((64, 64, 3), np.uint8)


def drawn(sheet, color):
    """(y, x) of the pixels below the heading."""
    pixels = np.argwhere((np.asarray(sheet) == color).all(-1))
    return pixels[pixels[:, 0] > 2 * MARGIN]


def test_lines_join_the_centres_of_the_pairs_and_frames_mark_the_closest(tmp_path):
    pairs = BestPairs([0, 3], [3, 0], [0.9, 0.5], closest=(1, 2), grid=(2, 2))
    correspondence_sheet((BLACK, BLACK), pairs, tmp_path / 'sheet.png')
    with Image.open(tmp_path / 'sheet.png') as sheet:
        lines, frames = drawn(sheet, LINE_COLOR), drawn(sheet, VIEW_COLOR)
        assert sheet.width == 2 * SIDE + 3 * MARGIN
    top = sheet.height - MARGIN - SIDE
    left, right = MARGIN + SIDE / 4, 2 * MARGIN + SIDE + 3 * SIDE / 4
    assert lines[:, 1].min() == pytest.approx(left - 10, abs=2)
    assert lines[:, 1].max() == pytest.approx(right + 10, abs=2)
    assert lines[:, 0].min() == pytest.approx(top + SIDE / 4 - 10, abs=2)
    assert lines[:, 0].max() == pytest.approx(top + 3 * SIDE / 4 + 10, abs=2)
    first = frames[frames[:, 1] < MARGIN + SIDE + 5]
    second = frames[frames[:, 1] > 2 * MARGIN + SIDE - 5]
    assert first.min(0) == pytest.approx([top, MARGIN + SIDE / 2], abs=2)  # upper right cell
    assert second.max(0) == pytest.approx([top + SIDE, 2 * MARGIN + 1.5 * SIDE], abs=2)


def test_views(tmp_path):
    ramp = np.tile(np.arange(200, dtype=np.uint8)[None, :, None], (100, 1, 3))
    Image.fromarray(ramp).save(tmp_path / 'a.png')
    Image.fromarray(255 - ramp).save(tmp_path / 'b.png')
    a, b = str(tmp_path / 'a.png'), str(tmp_path / 'b.png')
    whole, other = two_views(a, b, 50, seed=0)
    assert whole.shape == other.shape == (50, 50, 3)
    assert whole[0, 0, 0] < 5 and whole[0, -1, 0] > 194 and other[0, 0, 0] > 250
    _, cut = two_views(a, None, 50, seed=0)
    _, same = two_views(a, None, 50, seed=0)
    _, another = two_views(a, None, 50, seed=1)
    assert cut.shape == (50, 50, 3) and (cut == same).all() and (cut != another).any()
