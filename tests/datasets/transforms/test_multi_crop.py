from collections import Counter

import numpy as np
import pytest
from PIL import Image

from dinomm.datasets import MultiCrop, SampleKey
from dinomm.datasets.transforms import photometric
from dinomm.datasets.transforms.geometry import resized_crop
from dinomm.datasets.transforms.multi_crop import draw_jitter, recolor
from dinomm.datasets.transforms.views import Jitter, parse_view
from dinomm.registry import TRANSFORMS

GLOBAL = dict(size=32, scale=(0.4, 1.0))
ALL = dict(
    flip=0.5,
    jitter=dict(prob=0.8, brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1),
    gray=0.2,
    blur=dict(prob=0.5, radius=(0.1, 2.0)),
    solarize=dict(prob=0.2, threshold=128),
)


@pytest.fixture
def picture(write_image, tmp_path):
    return np.asarray(Image.open(write_image(tmp_path / 'a.png', 60, 80)))


def crop(views, picture, index=0, **kwargs):
    return MultiCrop(views, **kwargs)({'img': picture, 'sample_key': SampleKey(0, 0, index)})


def test_views_come_in_the_configured_order_and_number(picture):
    sizes = [dict(GLOBAL, num=2), dict(size=16, scale=(0.05, 0.4), num=3), dict(GLOBAL, size=24)]
    results = crop(sizes, picture)
    assert [view.shape for view in results['views']] == [
        (size, size, 3) for size in (32, 32, 16, 16, 16, 24)
    ]
    assert results['boxes'].shape == (6, 4) and results['flips'].shape == (6,)
    areas = results['boxes'][:, 2] * results['boxes'][:, 3] / picture[..., 0].size
    assert (areas[[0, 1, 5]] > 0.38).all() and (areas[2:5] < 0.42).all()


def test_without_colour_a_view_is_its_box_and_flip(picture):
    seen = set()
    for index in range(8):
        results = crop([dict(GLOBAL, flip=0.5)], picture, index)
        (box,), (flip,), (view,) = results['boxes'], results['flips'], results['views']
        expected = resized_crop(picture, tuple(box), (32, 32))
        assert np.array_equal(view, expected[:, ::-1] if flip else expected)
        seen.add(bool(flip))
    assert seen == {True, False}


def test_the_key_alone_decides(picture):
    views = [dict(GLOBAL, **ALL, num=3)]
    first, again, other = (crop(views, picture, index) for index in (4, 4, 5))
    for a, b, c in zip(first['views'], again['views'], other['views'], strict=True):
        assert np.array_equal(a, b) and not np.array_equal(a, c)
    assert not np.array_equal(first['boxes'][0], first['boxes'][1])


def test_one_decoded_picture_is_left_as_it_was(picture):
    before = picture.copy()
    crop([dict(GLOBAL, **ALL, num=8), dict(size=60, scale=(1.0, 1.0))], picture)
    assert np.array_equal(picture, before)


def test_operations_run_in_the_published_order(monkeypatch, picture):
    calls = []
    for name in ('color_jitter', 'grayscale', 'gaussian_blur', 'solarize'):
        monkeypatch.setattr(
            photometric, name, lambda image, *args, name=name: calls.append(name) or image
        )
    always = dict(
        GLOBAL,
        jitter=dict(prob=1, hue=0.1),
        gray=1,
        blur=dict(prob=1),
        solarize=dict(prob=1),
    )
    crop([always], picture)
    assert calls == ['color_jitter', 'grayscale', 'gaussian_blur', 'solarize']


def test_rates_and_ranges(monkeypatch, picture):
    drawn = Counter()
    radii = []
    monkeypatch.setattr(
        photometric, 'color_jitter', lambda image, steps: drawn.update(['jitter']) or image
    )
    monkeypatch.setattr(photometric, 'grayscale', lambda image: drawn.update(['gray']) or image)
    monkeypatch.setattr(photometric, 'gaussian_blur', lambda image, r: radii.append(r) or image)
    monkeypatch.setattr(
        photometric, 'solarize', lambda image, t: drawn.update([f'solarize {t}']) or image
    )
    view = parse_view(dict(GLOBAL, **ALL), 'views[0]')
    number = 4000
    rng = np.random.default_rng(0)
    for _ in range(number):
        recolor(picture, view, rng)
    for name, rate in (('jitter', 0.8), ('gray', 0.2), ('solarize 128', 0.2)):
        assert drawn[name] / number == pytest.approx(rate, abs=0.03)
    assert len(radii) / number == pytest.approx(0.5, abs=0.03)
    assert 0.1 <= min(radii) < 0.12 and 1.98 < max(radii) <= 2.0
    assert np.mean(radii) == pytest.approx(1.05, abs=0.05)


def test_jitter_draws_torchvisions_factors_in_every_order():
    rng = np.random.default_rng(0)
    draws = [draw_jitter(Jitter(1, 0.4, 1.5, 0.2, 0.1), rng) for _ in range(3000)]
    orders = Counter(tuple(name for name, _ in steps) for steps in draws)
    assert len(orders) == 24 and min(orders.values()) > 70
    for name, low, high in (
        ('brightness', 0.6, 1.4),
        ('contrast', 0.0, 2.5),
        ('saturation', 0.8, 1.2),
        ('hue', -0.1, 0.1),
    ):
        factors = np.array([dict(steps)[name] for steps in draws])
        assert low <= factors.min() and factors.max() <= high
        assert factors.mean() == pytest.approx((low + high) / 2, abs=0.03 * (high - low))
        assert factors.std() == pytest.approx((high - low) / 12**0.5, rel=0.05)


def test_jitter_leaves_out_what_is_zero():
    steps = draw_jitter(Jitter(1, 0.4, 0, 0, 0), np.random.default_rng(0))
    assert [name for name, _ in steps] == ['brightness']


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(views=[]), 'at least one'),
        (dict(views=GLOBAL), 'must be a list'),
        (dict(views=[GLOBAL, dict(GLOBAL, scale=(0.4, 2))]), r'views\[1\]\.scale'),
        (dict(views=[GLOBAL], ratio=(2, 1)), r'MultiCrop\.ratio'),
        (dict(views=[GLOBAL], ratio=(0, 1)), r'MultiCrop\.ratio'),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        TRANSFORMS.build(dict(type='MultiCrop', **arguments))
