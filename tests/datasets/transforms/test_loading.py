import numpy as np
import pytest
from PIL import Image

from dinomm.datasets.transforms import BrokenImageError, LoadImage

RAMP = np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6)
COLOURS = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)


def load(path):
    picture = LoadImage()({'img_path': str(path)})['img']
    assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3
    return picture


def saved(folder, image, name='a.png', **kwargs):
    image.save(folder / name, **kwargs)
    return load(folder / name)


def test_rgb_is_read_unchanged(tmp_path):
    assert np.array_equal(saved(tmp_path, Image.fromarray(COLOURS)), COLOURS)


def test_gray_fills_three_channels(tmp_path):
    assert np.array_equal(saved(tmp_path, Image.fromarray(RAMP)), np.dstack([RAMP] * 3))


@pytest.mark.parametrize('name', ['a.png', 'a.tif'])
def test_16_bit_gray_is_scaled(tmp_path, name):
    wide = Image.fromarray(RAMP.astype(np.uint16) * 257)
    assert np.array_equal(saved(tmp_path, wide, name), np.dstack([RAMP] * 3))


def test_one_bit(tmp_path):
    picture = saved(tmp_path, Image.fromarray(RAMP > 100))
    assert np.array_equal(picture[..., 0], np.where(RAMP > 100, 255, 0))


def test_palette(tmp_path):
    colours = np.repeat(COLOURS[:1, :2], 3, axis=0)
    assert np.array_equal(saved(tmp_path, Image.fromarray(colours).quantize(2)), colours)


def test_transparent_pixels_lie_on_white(tmp_path):
    alpha = np.full((4, 6, 1), 255, np.uint8)
    alpha[0] = 0
    alpha[1] = 51
    picture = saved(tmp_path, Image.fromarray(np.dstack([COLOURS, alpha])))
    assert (picture[0] == 255).all()
    assert np.abs(picture[1] - (255 * 0.8 + 0.2 * COLOURS[1])).max() <= 1
    assert np.array_equal(picture[2:], COLOURS[2:])


def test_transparent_palette_entry_lies_on_white(tmp_path):
    image = Image.fromarray(np.array([[0, 1]], np.uint8), mode='P')
    image.putpalette([10, 20, 30, 40, 50, 60])
    assert saved(tmp_path, image, transparency=0).tolist() == [[[255] * 3, [40, 50, 60]]]


def test_cmyk_jpeg(tmp_path):
    flat = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    picture = saved(tmp_path, Image.fromarray(flat).convert('CMYK'), 'a.jpg', quality=95)
    assert np.abs(picture.astype(int) - flat).max() <= 3


@pytest.mark.parametrize('orientation', range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = saved(tmp_path, Image.fromarray(COLOURS), exif=exif)
    upright = {  # EXIF 2.3, tag Orientation: where the first row and column belong
        1: COLOURS,
        2: COLOURS[:, ::-1],
        3: COLOURS[::-1, ::-1],
        4: COLOURS[::-1],
        5: COLOURS.transpose(1, 0, 2),
        6: np.rot90(COLOURS, -1),
        7: COLOURS[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(COLOURS),
    }[orientation]
    assert np.array_equal(picture, upright)


def test_first_picture_of_an_animation(tmp_path):
    frames = [Image.fromarray(np.full((2, 2), value, np.uint8)) for value in (10, 200)]
    picture = saved(tmp_path, frames[0], 'a.gif', save_all=True, append_images=frames[1:])
    assert (picture == 10).all()


def test_damaged_files(tmp_path, write_image):
    path = write_image(tmp_path / 'a.jpg', 200, 200)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(BrokenImageError, match=r'cannot read .*a\.jpg: .*truncated'):
        load(path)
    with pytest.raises(BrokenImageError, match=r'cannot read .*gone\.jpg'):
        load(tmp_path / 'gone.jpg')


def test_values_of_unknown_range(tmp_path):
    with pytest.raises(BrokenImageError, match='unknown range'):
        saved(tmp_path, Image.fromarray(RAMP.astype(np.float32)), 'a.tif')
    with pytest.raises(BrokenImageError, match='unknown range'):
        saved(tmp_path, Image.fromarray(RAMP.astype(np.int32) * 10**6), 'a.tif')


def test_given_content_is_decoded_in_place_of_the_file(tmp_path):
    Image.fromarray(COLOURS).save(tmp_path / 'a.png')
    content = (tmp_path / 'a.png').read_bytes()
    results = LoadImage()({'img_path': 'shard.tar/a.png', 'img_bytes': content})
    assert np.array_equal(results['img'], COLOURS) and 'img_bytes' not in results
    with pytest.raises(BrokenImageError, match='shard.tar/a.png'):
        LoadImage()({'img_path': 'shard.tar/a.png', 'img_bytes': content[:30]})
