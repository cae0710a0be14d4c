from collections import Counter

import numpy as np
import pytest
from PIL import Image

from dinomm.datasets import LoadImage, MultiCrop, SampleKey
from dinomm.datasets.transforms.geometry import resized_crop
from dinomm.datasets.transforms.loading import REDUCTIONS, EncodedImage
from dinomm.datasets.transforms.multi_crop import draw_jitter, draw_view, largest_reduction
from dinomm.datasets.transforms.photometric import recolor
from dinomm.datasets.transforms.raw_view import RawView
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


def test_colours_for_the_device_have_the_same_draws(picture):
    views = [dict(GLOBAL, **ALL, num=3), dict(GLOBAL, **ALL, size=16)]
    for index in range(10):
        here = crop(views, picture, index)
        later = crop(views, picture, index, recolor_on_device=True)
        assert np.array_equal(here['boxes'], later['boxes'])
        assert np.array_equal(here['flips'], later['flips'])
        for view, raw in zip(here['views'], later['views'], strict=True):
            assert isinstance(raw, RawView)
            assert np.array_equal(view, recolor(raw.images, raw.steps))


def draws(config, number=4000):
    rng = np.random.default_rng(0)
    view = parse_view(config, 'views[0]')
    return [draw_view(view, 60, 80, (3 / 4, 4 / 3), rng) for _ in range(number)]


def test_operations_run_in_the_published_order(picture):
    always = dict(
        GLOBAL, jitter=dict(prob=1, hue=0.1), gray=1, blur=dict(prob=1), solarize=dict(prob=1)
    )
    names = [name for name, _ in draws(always, 1)[0].steps]
    assert names == ['hue', 'gray', 'blur', 'solarize']
    results = crop([always], picture)
    draw = draw_view(parse_view(always, ''), 60, 80, (3 / 4, 4 / 3), SampleKey(0, 0, 0).generator())
    expected = recolor(resized_crop(picture, draw.box, (32, 32)), draw.steps)
    assert np.array_equal(results['views'][0], expected)


def test_rates_and_ranges():
    drawn = draws(dict(GLOBAL, **ALL))
    steps = [dict(draw.steps) for draw in drawn]
    rates = dict(brightness=0.8, hue=0.8, gray=0.2, blur=0.5, solarize=0.2)
    for name, rate in rates.items():
        assert np.mean([name in some for some in steps]) == pytest.approx(rate, abs=0.03)
    assert np.mean([draw.flip for draw in drawn]) == pytest.approx(0.5, abs=0.03)
    assert {some['solarize'] for some in steps if 'solarize' in some} == {128}
    radii = [some['blur'] for some in steps if 'blur' in some]
    assert 0.1 <= min(radii) < 0.12 and 1.98 < max(radii) <= 2.0
    assert np.mean(radii) == pytest.approx(1.05, abs=0.05)


def jpeg(path, height, width):
    """A photograph's spectrum: coarse structure with some fine."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
    smooth = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
    fine = rng.normal(0, 6, (height, width, 3))
    Image.fromarray(np.clip(smooth + fine, 0, 255).astype(np.uint8)).save(path, quality=92)
    return str(path)


@pytest.mark.parametrize(
    ('size', 'reduction'), [((40, 60), 1), ((240, 320), 2), ((480, 640), 4), ((960, 1280), 8)]
)
def test_a_large_jpeg_is_decoded_at_a_fraction_of_its_size(tmp_path, monkeypatch, size, reduction):
    asked = []
    decode = EncodedImage.decode
    monkeypatch.setattr(
        EncodedImage, 'decode', lambda image, by=1: asked.append(by) or decode(image, by)
    )
    path = jpeg(tmp_path / 'a.jpg', *size)
    results = LoadImage(deferred=True)({'img_path': path, 'sample_key': SampleKey(0, 0, 0)})
    results = MultiCrop([dict(size=24, scale=(0.6, 0.9), num=3)])(results)
    assert asked == [reduction]
    picture = decode(EncodedImage(path))
    drawn = MultiCrop([dict(size=24, scale=(0.6, 0.9), num=3)])(
        {'img': picture, 'sample_key': SampleKey(0, 0, 0)}
    )
    assert np.abs(results['boxes'] - drawn['boxes']).max() <= reduction
    for view, box in zip(results['views'], results['boxes'], strict=True):
        difference = view.astype(float) - resized_crop(picture, tuple(box), (24, 24))
        assert np.abs(difference).mean() < (1.0 if reduction > 1 else 1e-9)
        assert np.abs(difference.mean(axis=(0, 1))).max() < 0.3


def test_the_smallest_view_for_its_box_decides_the_reduction():
    assert largest_reduction([(0, 0, 600, 900)], [100], REDUCTIONS) == 2
    assert largest_reduction([(0, 0, 600, 900), (0, 0, 500, 900)], [100, 100], REDUCTIONS) == 1
    assert largest_reduction([(0, 0, 2400, 9000)], [100], REDUCTIONS) == 8
    assert largest_reduction([(0, 0, 2400, 9000)], [100], (1,)) == 1


def test_a_file_without_reductions_can_be_deferred_too(write_image, tmp_path):
    path = str(write_image(tmp_path / 'a.png', 200, 300))
    results = LoadImage(deferred=True)({'img_path': path, 'sample_key': SampleKey(0, 0, 1)})
    views = MultiCrop([dict(size=16, scale=(0.9, 1.0))])(results)['views']
    expected = crop([dict(size=16, scale=(0.9, 1.0))], np.asarray(Image.open(path)), 1)['views']
    assert np.array_equal(views[0], expected[0])


def test_jitter_draws_torchvisions_factors_in_every_order():
    rng = np.random.default_rng(0)
    drawn = [draw_jitter(Jitter(1, 0.4, 1.5, 0.2, 0.1), rng) for _ in range(3000)]
    orders = Counter(tuple(name for name, _ in steps) for steps in drawn)
    assert len(orders) == 24 and min(orders.values()) > 70
    for name, low, high in (
        ('brightness', 0.6, 1.4),
        ('contrast', 0.0, 2.5),
        ('saturation', 0.8, 1.2),
        ('hue', -0.1, 0.1),
    ):
        factors = np.array([dict(steps)[name] for steps in drawn])
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
