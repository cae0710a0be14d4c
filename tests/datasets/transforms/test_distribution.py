"""The views against the published pipeline's, over 2,000 samples of photographs.

Their draws are compared as distributions, within what chance allows; the operations on equal draws,
where chance has no part, to a fifth of a grey level.
"""

import random
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter, ImageOps
from torchvision import transforms
from torchvision.transforms import functional

from dinomm import launch
from dinomm.benchmark.plain_views import plain_views
from dinomm.datasets import LoadImage, SampleKey
from dinomm.datasets.embedded import PHOTOS, write_photos
from dinomm.datasets.transforms.multi_crop import MultiCrop, draw_view

CONFIG = Path(__file__).parents[3] / 'configs/_base_/datasets/dino_2x224_8x96.py'
NUM = 2000
SIZES = (112, 48)  # half of the published ones, for speed
NAMES = ('first global', 'second global', 'local')
HEIGHT, WIDTH = 188, 250
RATES = {  # of flip, jitter, gray, blur, solarize, in the published code
    'first global': (0.5, 0.8, 0.2, 1.0, 0.0),
    'second global': (0.5, 0.8, 0.2, 0.1, 0.2),
    'local': (0.5, 0.8, 0.2, 0.5, 0.0),
}
SIGMAS = 4  # one false alarm in 16,000 comparisons


@pytest.fixture(scope='module')
def photographs(tmp_path_factory):
    folder = write_photos(tmp_path_factory.mktemp('photos') / 'photos')
    images = [Image.open(folder / name).convert('RGB') for name in PHOTOS]
    return [image.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC) for image in images]


@pytest.fixture(scope='module')
def multi_crop():
    config = launch.read_config(str(CONFIG)).train_dataloader.dataset.pipeline[1]
    config.pop('type')
    config.views[2].num = 1
    for view, size in zip(config.views, (SIZES[0], *SIZES), strict=True):
        view.size = size
    return MultiCrop(**config)


@pytest.fixture(scope='module')
def ours(multi_crop, photographs):
    """Views of each name."""
    pictures = [np.asarray(image) for image in photographs]
    samples = [
        multi_crop({'img': pictures[i % len(pictures)], 'sample_key': SampleKey(0, 0, i)})
        for i in range(NUM)
    ]
    return {name: [sample['views'][i] for sample in samples] for i, name in enumerate(NAMES)}


@pytest.fixture(scope='module')
def draws(multi_crop):
    rng = np.random.default_rng(0)
    return {
        name: [draw_view(view, HEIGHT, WIDTH, multi_crop.ratio, rng) for _ in range(NUM)]
        for name, view in zip(NAMES, multi_crop.views, strict=True)
    }


class Published:
    """The published views, and a record of what they drew."""

    def __init__(self, photographs):
        self.applied = {name: Counter() for name in NAMES}
        self.boxes = {name: [] for name in NAMES}
        self.views = {name: [] for name in NAMES}
        random.seed(0)
        torch.manual_seed(0)
        with pytest.MonkeyPatch.context() as patch:
            for owner, function, operation in (
                (functional, 'hflip', 'flip'),
                (transforms.ColorJitter, 'forward', 'jitter'),
                (functional, 'rgb_to_grayscale', 'gray'),
                (Image.Image, 'filter', 'blur'),
                (ImageOps, 'solarize', 'solarize'),
            ):
                self._count(patch, owner, function, operation)
            crop = functional.resized_crop
            patch.setattr(
                functional,
                'resized_crop',
                lambda image, *box, **options: (
                    self.boxes[self.name].append(box[:4]) or crop(image, *box, **options)
                ),
            )
            for self.name, view in zip(NAMES, plain_views(*SIZES), strict=True):
                view = transforms.Compose(view)
                for i in range(NUM):
                    self.views[self.name].append(
                        np.asarray(view(photographs[i % len(photographs)]))
                    )

    def _count(self, patch, owner, function, operation):
        original = getattr(owner, function)

        def counted(*args, **kwargs):
            self.applied[self.name][operation] += 1
            return original(*args, **kwargs)

        patch.setattr(owner, function, counted)


@pytest.fixture(scope='module')
def published(photographs):
    return Published(photographs)


def assert_equal_means(ours, theirs):
    """Of samples in the first dimension, within the error of the means' difference."""
    ours, theirs = (np.asarray(values, float) for values in (ours, theirs))
    error = np.sqrt((ours.var(0) + theirs.var(0)) / NUM)
    assert (np.abs(ours.mean(0) - theirs.mean(0)) <= SIGMAS * error + 1e-12).all()


def histogram(view):
    """Share of 16 bins of each channel: (3, 16)."""
    bins = (view >> 4) + 16 * np.arange(3, dtype=np.uint8)
    return np.bincount(bins.ravel(), minlength=48).reshape(3, 16) / view[..., 0].size


def moments(view):
    """Mean and variance of each channel: (2, 3)."""
    mean, deviation = cv2.meanStdDev(view)
    return np.stack([mean[:, 0], deviation[:, 0] ** 2])


@pytest.mark.slow
@pytest.mark.parametrize('name', NAMES)
class TestAgainstThePublishedPipeline:
    def test_pixels(self, name, ours, published):
        for statistic in (moments, histogram):
            mine, theirs = (
                [statistic(view) for view in views] for views in (ours[name], published.views[name])
            )
            assert_equal_means(mine, theirs)

    def test_boxes(self, name, draws, published):
        ours = np.array([draw.box for draw in draws[name]], float)
        theirs = np.array(published.boxes[name], float)
        assert_equal_means(ours, theirs)
        assert_equal_means((ours - ours.mean(0)) ** 2, (theirs - theirs.mean(0)) ** 2)
        for column in range(4):  # Kolmogorov-Smirnov, 0.01 %
            grid = np.arange(WIDTH + 1)
            shares = [
                np.searchsorted(np.sort(boxes[:, column]), grid, 'right') / NUM
                for boxes in (ours, theirs)
            ]
            assert np.abs(shares[0] - shares[1]).max() < 2.23 * np.sqrt(2 / NUM)

    def test_rates(self, name, draws, published):
        steps = [dict(draw.steps) for draw in draws[name]]
        counts = [sum(draw.flip for draw in draws[name])]
        counts += [
            sum(operation in some for some in steps)
            for operation in ('hue', 'gray', 'blur', 'solarize')
        ]
        theirs = [
            published.applied[name][operation]
            for operation in ('flip', 'jitter', 'gray', 'blur', 'solarize')
        ]
        for rate, *both in zip(RATES[name], counts, theirs, strict=True):
            for count in both:
                assert abs(count / NUM - rate) <= SIGMAS * np.sqrt(rate * (1 - rate) / NUM)

    def test_equal_draws_give_equal_pixels(self, name, multi_crop, ours, photographs):
        view = NAMES.index(name)
        mine = ours[name][::8]
        theirs = [redo(multi_crop, photographs, index)[view] for index in range(0, NUM, 8)]
        differences = np.stack(mine).astype(np.float32) - np.stack(theirs)
        assert np.abs(differences).mean() < 0.6
        assert np.abs(differences.mean((0, 1, 2))).max() < 0.2
        means, variances = np.mean([moments(view) for view in mine], axis=0) / np.mean(
            [moments(view) for view in theirs], axis=0
        )
        assert np.abs(means - 1).max() < 0.002 and np.abs(variances - 1).max() < 0.005
        shares = [np.mean([histogram(view) for view in views], axis=0) for views in (mine, theirs)]
        assert np.abs(shares[0] - shares[1]).max() < 0.002


def redo(multi_crop, photographs, index):
    """Our draws of a sample through the published operations."""
    rng = SampleKey(0, 0, index).generator()
    image = photographs[index % len(photographs)]
    return [
        redo_view(image, draw_view(view, HEIGHT, WIDTH, multi_crop.ratio, rng), view.size)
        for view in multi_crop.views
    ]


def redo_view(image, draw, size):
    image = functional.resized_crop(
        image, *draw.box, [size, size], transforms.InterpolationMode.BICUBIC
    )
    if draw.flip:
        image = functional.hflip(image)
    for name, value in draw.steps:
        image = PUBLISHED[name](image, value)
    return np.asarray(image)


PUBLISHED = {
    'brightness': functional.adjust_brightness,
    'contrast': functional.adjust_contrast,
    'saturation': functional.adjust_saturation,
    'hue': functional.adjust_hue,
    'gray': lambda image, _: functional.rgb_to_grayscale(image, 3),
    'blur': lambda image, radius: image.filter(ImageFilter.GaussianBlur(radius)),
    'solarize': lambda image, threshold: ImageOps.solarize(image, threshold),
}


def test_the_deferred_decoding_of_the_config_changes_no_view_of_a_usual_photograph(tmp_path):
    config = launch.read_config(str(CONFIG)).train_dataloader.dataset.pipeline
    folder = write_photos(tmp_path / 'photos')
    image = Image.open(folder / 'coffee.png').convert('RGB').resize((500, 375))
    image.save(tmp_path / 'a.jpg')
    multi_crop = MultiCrop(config[1].views)
    results = [
        multi_crop(
            LoadImage(deferred=deferred)(
                {'img_path': str(tmp_path / 'a.jpg'), 'sample_key': SampleKey(0, 0, 0)}
            )
        )
        for deferred in (config[0].deferred, False)
    ]
    assert config[0].deferred
    for one, other in zip(*(result['views'] for result in results), strict=True):
        assert np.array_equal(one, other)
