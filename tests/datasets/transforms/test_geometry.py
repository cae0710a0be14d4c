import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import RandomResizedCrop

from dinomm.datasets.transforms.geometry import central_box, random_box, resized_crop

SQUARISH = (3 / 4, 4 / 3)


@pytest.fixture
def photograph(write_image, tmp_path):
    return np.asarray(Image.open(write_image(tmp_path / 'a.png', 150, 200)))


@pytest.mark.parametrize(
    ('height', 'width', 'scale'),
    [(375, 500, (0.4, 1.0)), (375, 500, (0.05, 0.4)), (30, 400, (0.3, 1.0)), (28, 28, (0.1, 0.4))],
)
def test_boxes_are_distributed_as_torchvisions(height, width, scale):
    number = 4000
    rng = np.random.default_rng(0)
    ours = np.array([random_box(height, width, scale, SQUARISH, rng) for _ in range(number)])
    torch.manual_seed(0)
    image = torch.empty(3, height, width)
    theirs = np.array([RandomResizedCrop.get_params(image, scale, SQUARISH) for _ in range(number)])
    for column in range(4):
        a, b = np.sort(ours[:, column]), np.sort(theirs[:, column])
        values = np.union1d(a, b)
        gap = np.searchsorted(a, values, 'right') - np.searchsorted(b, values, 'right')
        # Kolmogorov-Smirnov at 0.1 %
        assert np.abs(gap).max() / number < 1.95 * np.sqrt(2 / number)


def test_boxes_lie_inside_the_picture():
    rng = np.random.default_rng(0)
    for height, width in ((1, 1), (1, 9), (500, 2), (7, 7)):
        for _ in range(200):
            y, x, h, w = random_box(height, width, (0.05, 1.0), SQUARISH, rng)
            assert h > 0 and w > 0 and 0 <= y <= height - h and 0 <= x <= width - w


def test_central_box_keeps_to_the_ratio():
    assert central_box(30, 400, SQUARISH) == (0, 180, 30, 40)
    assert central_box(400, 30, SQUARISH) == (180, 0, 40, 30)
    assert central_box(100, 100, SQUARISH) == (0, 0, 100, 100)


@pytest.mark.parametrize(
    ('box', 'size'),
    [
        ((10, 20, 100, 130), (96, 96)),
        ((0, 0, 150, 200), (32, 48)),
        ((140, 190, 10, 10), (64, 64)),
        ((3, 3, 1, 40), (16, 16)),
    ],
)
def test_resized_crop_is_pillows(photograph, box, size):
    y, x, h, w = box
    crop = Image.fromarray(photograph[y : y + h, x : x + w])
    expected = np.asarray(crop.resize(size[::-1], Image.Resampling.BICUBIC)).astype(int)
    actual = resized_crop(photograph, box, size)
    assert actual.dtype == np.uint8 and actual.flags.c_contiguous
    assert np.abs(actual - expected).max() <= 2
    assert np.abs(actual - expected).mean() < 0.2


def test_resized_crop_never_shares_the_pictures_memory(photograph):
    photograph.flags.writeable = False
    for box in ((0, 0, 150, 200), (5, 5, 20, 20)):
        crop = resized_crop(photograph, box, box[2:])
        assert np.array_equal(crop, photograph[box[0] :, box[1] :][: box[2], : box[3]])
        assert not np.shares_memory(crop, photograph) and crop.flags.writeable
