import numpy as np
import pytest
from PIL import Image

from dinomm.evaluation.masks import (
    jaccard,
    read_mask,
    read_names,
    read_palette,
    usual_palette,
    write_mask,
)


def test_the_usual_colours():
    """Of PASCAL VOC's development kit: background, aeroplane ... train, monitor, void."""
    palette = np.array(usual_palette()).reshape(256, 3)
    expected = {
        0: (0, 0, 0),
        1: (128, 0, 0),
        2: (0, 128, 0),
        3: (128, 128, 0),
        8: (64, 0, 0),
        15: (192, 128, 128),
        20: (0, 64, 128),
        255: (224, 224, 192),
    }
    assert {number: tuple(palette[number]) for number in expected} == expected


def test_a_mask_is_written_with_its_palette_and_read_back(tmp_path):
    mask = np.arange(12, dtype=np.uint8).reshape(3, 4)
    palette = usual_palette()[::-1]
    write_mask(tmp_path / 'new' / 'a.png', mask, palette)
    assert np.array_equal(read_mask(tmp_path / 'new' / 'a.png'), mask)
    assert read_palette(tmp_path / 'new' / 'a.png')[: 3 * 12] == palette[: 3 * 12]
    assert [path.name for path in (tmp_path / 'new').iterdir()] == ['a.png']


def test_a_gray_mask_has_the_usual_palette(tmp_path):
    Image.fromarray(np.full((2, 2), 7, np.uint8)).save(tmp_path / 'a.png')
    assert (read_mask(tmp_path / 'a.png') == 7).all()
    assert read_palette(tmp_path / 'a.png') == usual_palette()


@pytest.mark.parametrize(
    ('image', 'mode'),
    [
        (np.zeros((2, 2, 3), np.uint8), 'RGB'),
        (np.zeros((2, 2, 4), np.uint8), 'RGBA'),
        (np.zeros((2, 2), np.uint16), 'I;16'),
    ],
)
def test_colours_and_16_bits_are_no_numbers_of_objects(tmp_path, image, mode):
    Image.fromarray(image).save(tmp_path / 'a.png')
    with pytest.raises(ValueError, match=f'a.png is of mode {mode}: expected a PNG with a palette'):
        read_mask(tmp_path / 'a.png')


def test_a_missing_and_a_broken_mask(tmp_path):
    with pytest.raises(ValueError, match=r'none.png does not exist'):
        read_mask(tmp_path / 'none.png')
    write_mask(tmp_path / 'a.png', np.zeros((50, 50), np.uint8), usual_palette())
    (tmp_path / 'a.png').write_bytes((tmp_path / 'a.png').read_bytes()[:-30])
    with pytest.raises(ValueError, match=r'cannot read mask .*a.png'):
        read_palette(tmp_path / 'a.png')


def test_jaccard_by_hand_and_broadcast():
    first = np.array([[[1, 1, 0, 0]], [[0, 0, 0, 0]]], bool)
    second = np.array([[[0, 1, 1, 1]], [[0, 0, 0, 0]], [[1, 1, 0, 0]]], bool)
    assert jaccard(first[:, None], second[None]).tolist() == [[0.25, 0, 1], [0, 1, 0]]
    void = np.array([[0, 0, 0, 1]], bool)
    assert jaccard(first[0], second[0], void) == pytest.approx(1 / 3)


@pytest.mark.parametrize('name', ['../up', '/root', 'a/../../up'])
def test_a_list_names_nothing_outside_its_folder(tmp_path, name):
    listing = tmp_path / 'val.txt'
    listing.write_text(f'good\n{name}\n')
    with pytest.raises(ValueError, match=r'val\.txt names a video .*(is absolute|has a)'):
        read_names(listing, 'video', 'a folder of DAVIS')
