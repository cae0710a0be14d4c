import numpy as np
import pytest
from PIL import Image, ImageFont

from dinomm.visualization.sheets import (
    CAPTION_SIZE,
    FRAME,
    GAP,
    MARGIN,
    SIDES,
    TITLE_SIZE,
    Tile,
    break_lines,
    draw_sheet,
    fit_text,
    scaled,
)

RED, GREEN = (255, 0, 0), (0, 255, 0)


def flat(height, width, color=RED):
    return np.full((height, width, 3), color, np.uint8)


def draw(path, rows, heading='Heading', **options):
    draw_sheet(heading, rows, path / 'sheet.png', **options)
    with Image.open(path / 'sheet.png') as sheet:
        assert sheet.format == 'PNG'
        return np.asarray(sheet)


def box(sheet, color):
    """top, left, bottom, right of the pixels of a colour."""
    places = np.argwhere((sheet == color).all(-1))
    return [*places.min(0), *(places.max(0) + 1)]


def test_tiles_stand_in_columns(tmp_path):
    sheet = draw(tmp_path, [[Tile(flat(5, 10)), None], [None, Tile(flat(10, 10, GREEN))]])
    side = SIDES[1]
    top, left, bottom, right = box(sheet, RED)
    assert (left, right - left, bottom - top) == (MARGIN, side, side // 2)
    below = box(sheet, GREEN)
    assert below[0] == bottom + GAP and below[1] == right + GAP
    assert sheet.shape[:2] == (below[2] + MARGIN, below[3] + MARGIN)


def test_many_columns_make_small_tiles(tmp_path):
    sheet = draw(tmp_path, [[Tile(flat(9, 9))] * 30])
    assert sheet.shape[1] == 2 * MARGIN + 30 * (SIDES[0] + GAP) - GAP


def test_frames_captions_and_titles(tmp_path):
    plain = draw(tmp_path, [[Tile(flat(8, 8))]])
    framed = draw(tmp_path, [[Tile(flat(8, 8), 'name', GREEN)]], titles=['title'])
    outer, inner = box(framed, GREEN), box(framed, RED)
    assert [b - a for a, b in zip(outer, inner, strict=True)] == [FRAME, FRAME, -FRAME, -FRAME]
    more = 2 * FRAME + CAPTION_SIZE + GAP + TITLE_SIZE + GAP
    assert framed.shape[0] == plain.shape[0] + more
    caption = framed[outer[2] + 2 :, MARGIN : MARGIN + 60]
    assert (caption < 128).any()


def test_long_text_is_broken_or_cut(tmp_path):
    font = ImageFont.load_default(20)
    words = ' '.join(['word'] * 30)
    lines = break_lines(words, font, 200)
    assert ' '.join(lines) == words and all(font.getlength(line) <= 200 for line in lines)
    assert fit_text('short', font, 200) == 'short'
    cut = fit_text('x' * 300, font, 200)
    assert cut.endswith('x…') and font.getlength(cut) <= 200
    sheet = draw(tmp_path, [[Tile(flat(9, 9), 'x' * 300)]], heading=words)
    assert sheet.shape[1] == 2 * (MARGIN + SIDES[1])
    assert (sheet[:, :MARGIN] == 255).all() and (sheet[:, -MARGIN:] == 255).all()


@pytest.mark.parametrize('shape', [(1, 4000), (4000, 1), (3, 3)])
def test_every_shape_fits(shape):
    assert max(scaled(flat(*shape), 100).size) == 100


def test_wrong_input(tmp_path):
    with pytest.raises(ValueError, match='no picture'):
        draw_sheet('', [[None]], tmp_path / 'a.png')
    with pytest.raises(ValueError, match=r'float64 and shape \(4, 4, 3\)'):
        draw_sheet('', [[Tile(np.zeros((4, 4, 3)))]], tmp_path / 'a.png')
    assert not list(tmp_path.iterdir())
