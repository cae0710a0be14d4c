import numpy as np
import pytest
from PIL import Image
from torchvision import transforms as published

from dinomm.datasets import CenterView


@pytest.mark.parametrize(
    ('height', 'width', 'size', 'short_side'),
    [(375, 500, 224, 256), (500, 333, 224, 256), (28, 28, 28, 28), (28, 28, 32, 32), (9, 31, 8, 8)],
)
def test_it_is_torchvisions_resize_and_crop(tmp_path, write_image, height, width, size, short_side):
    image = Image.open(write_image(tmp_path / 'a.png', height, width))
    expected = published.Compose(
        [
            published.Resize(short_side, published.InterpolationMode.BICUBIC),
            published.CenterCrop(size),
        ]
    )(image)
    results = CenterView(size, short_side)({'img': np.asarray(image)})
    (view,) = results['views']
    assert view.shape == (size, size, 3) and view.dtype == np.uint8
    assert np.abs(view.astype(int) - np.asarray(expected)).max() <= 2
    assert results['flips'].tolist() == [False]


def test_box_is_in_pixels_of_the_decoded_picture():
    results = CenterView(112, 128)({'img': np.zeros((256, 512, 3), np.uint8)})
    assert results['boxes'].tolist() == [[16, 144, 224, 224]]


def test_bad_sizes():
    with pytest.raises(ValueError, match=r'CenterView\.size must be between 1 and short_side'):
        CenterView(size=224, short_side=200)
    with pytest.raises(ValueError, match=r'CenterView\.size'):
        CenterView(size=0)
