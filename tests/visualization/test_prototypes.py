import numpy as np
from PIL import Image

from dinomm.visualization.prototypes import REGION_COLOR, Excited, prototype_sheet


def draw(path, excited):
    prototype_sheet([f'title {i}' for i in range(len(excited))], excited, 'Heading', path / 'a.png')
    with Image.open(path / 'a.png') as sheet:
        return np.asarray(sheet)


def test_the_region_is_framed(tmp_path):
    picture = np.full((28, 28, 3), 90, np.uint8)
    sheet = draw(tmp_path, [[Excited(picture, 'a', 0.5, (0.5, 0.25, 0.25, 0.25))]])
    frame = np.argwhere((sheet == REGION_COLOR).all(-1))
    whole = np.argwhere((sheet == 90).all(-1))
    corner, side = whole.min(0), whole.max(0) + 1 - whole.min(0)
    shares = (frame.min(0) - corner) / side
    assert shares.tolist() == np.array([0.5, 0.25]).tolist()
    assert np.abs((frame.max(0) + 1 - corner) / side - (0.75, 0.5)).max() < 0.01


def test_a_whole_picture_has_no_frame(tmp_path):
    picture = np.full((28, 28, 3), 90, np.uint8)
    one = draw(tmp_path, [[Excited(picture, 'a', 0.5)]])
    assert not (one == REGION_COLOR).all(-1).any()
    two = draw(tmp_path, [[Excited(picture, 'a', 0.5)] * 3] * 2)
    assert (two == 90).all(-1).sum() == 6 * (one == 90).all(-1).sum()
