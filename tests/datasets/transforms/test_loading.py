import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from dinomm.datasets.transforms import BrokenImageError, LoadImage
from dinomm.datasets.transforms.loading import REDUCTIONS, EncodedImage

RAMP = np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6)
COLOURS = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)


def load(path):
    picture = LoadImage()({'img_path': str(path)})['img']
    image = LoadImage(deferred=True)({'img_path': str(path)})['img']
    assert (image.height, image.width) == picture.shape[:2]
    assert np.array_equal(image.decode(), picture)
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


@pytest.mark.parametrize(('content', 'reason'), [(b'', 'it is empty'), (b'text', 'no image')])
def test_what_is_no_image(tmp_path, content, reason):
    (tmp_path / 'a.jpg').write_bytes(content)
    with pytest.raises(BrokenImageError, match=rf'cannot read .*a\.jpg: {reason}'):
        load(tmp_path / 'a.jpg')


def test_a_transform_that_needs_pixels_of_a_deferred_image_is_told(tmp_path, write_image):
    image = EncodedImage(str(write_image(tmp_path / 'a.png', 4, 6)))
    with pytest.raises(AttributeError, match=r"no 'shape': .*deferred=False"):
        image.shape  # noqa: B018


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
    with pytest.raises(BrokenImageError, match=r'shard\.tar/a\.png'):
        LoadImage()({'img_path': 'shard.tar/a.png', 'img_bytes': content[:30]})


JPEGS = {
    'baseline': dict(subsampling=2),
    'full colour': dict(subsampling=0),
    'progressive': dict(progressive=True),
    'gray': dict(),
    'CMYK': dict(),
}


@pytest.mark.parametrize('reduction', REDUCTIONS)
@pytest.mark.parametrize('kind', JPEGS)
def test_jpegs_are_decoded_as_pillow_does(tmp_path, kind, reduction):
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (7, 9, 3), dtype=np.uint8))
    image = coarse.resize((101, 67), Image.Resampling.BICUBIC)
    image = image.convert({'gray': 'L', 'CMYK': 'CMYK'}.get(kind, 'RGB'))
    image.save(tmp_path / 'a.jpg', quality=90, **JPEGS[kind])
    with Image.open(tmp_path / 'a.jpg') as expected:
        expected.draft(None, (101 // reduction, 67 // reduction))
        expected = np.asarray(expected.convert('RGB'))
    picture = EncodedImage(str(tmp_path / 'a.jpg')).decode(reduction)
    assert picture.shape == (-(-67 // reduction), -(-101 // reduction), 3)
    assert np.array_equal(picture, expected)


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('reduction', [1, 2])
def test_a_turned_jpeg(tmp_path, orientation, reduction):
    corners = np.zeros((48, 64, 3), np.uint8)
    corners[:24, :32], corners[:24, 32:], corners[24:, :32] = 250, 170, 80
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(corners).save(tmp_path / 'a.jpg', quality=95, exif=exif)
    with Image.open(tmp_path / 'a.jpg') as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    image = EncodedImage(str(tmp_path / 'a.jpg'))
    assert (image.height, image.width) == upright.shape[:2]
    picture = image.decode(reduction).astype(int)
    assert (
        np.abs(picture - upright[reduction // 2 :: reduction, reduction // 2 :: reduction]).max()
        < 9
    )


def test_an_opencv_that_fills_up_truncated_files_is_not_believed(
    tmp_path, write_image, monkeypatch
):
    path = write_image(tmp_path / 'a.jpg', 40, 60)
    path.write_bytes(path.read_bytes()[:-20])
    monkeypatch.setattr(cv2, 'imdecode', lambda *_: np.full((40, 60, 3), 128, np.uint8))
    with pytest.raises(BrokenImageError, match='truncated'):
        load(path)


def test_bytes_after_the_picture_do_no_harm(tmp_path, write_image):
    path = write_image(tmp_path / 'a.jpg', 40, 60)
    expected = load(path)
    path.write_bytes(path.read_bytes() + b'a film of a phone')
    assert np.array_equal(load(path), expected)


def test_a_damaged_orientation_does_no_harm(tmp_path, write_image):
    path = write_image(tmp_path / 'a.jpg', 40, 60)
    content = path.read_bytes()
    path.write_bytes(content[:2] + b'\xff\xe1\x00\x10Exif\x00\x00damaged!' + content[2:])
    assert load(path).shape == (40, 60, 3)


def test_only_jpegs_can_be_decoded_smaller(tmp_path, write_image):
    assert EncodedImage(str(write_image(tmp_path / 'a.jpg', 40, 60))).reductions == REDUCTIONS
    assert EncodedImage(str(write_image(tmp_path / 'a.png', 40, 60))).reductions == (1,)
