import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps
from torchvision.transforms import functional as published

from dinomm.datasets.transforms import photometric

PUBLISHED = {
    'brightness': published.adjust_brightness,
    'contrast': published.adjust_contrast,
    'saturation': published.adjust_saturation,
    'hue': published.adjust_hue,
}
FACTORS = {
    'brightness': (0.0, 0.6, 0.83, 1.0, 1.37, 2.0),
    'contrast': (0.0, 0.6, 0.83, 1.0, 1.37, 2.0),
    'saturation': (0.2, 0.8, 0.996, 1.0, 1.004, 1.2, 2.0),
    'hue': (-0.5, -0.1, -0.003, 0.0, 0.049, 0.1, 0.37),
}


def pictures():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(noise[:6, :8]).resize((64, 48), Image.Resampling.BICUBIC))
    gray = np.repeat(noise[..., :1], 3, axis=2)
    red = np.stack([smooth[..., 0], smooth[..., 1] // 4, smooth[..., 2] // 4], axis=2)
    return {'noise': noise, 'smooth': smooth, 'gray': gray, 'red': red}


PICTURES = pictures()
every_picture = pytest.mark.parametrize('name', PICTURES)


def check(actual, expected, mean, channels):
    assert actual.dtype == np.uint8 and actual.shape == np.shape(expected)
    difference = actual.astype(float) - np.asarray(expected)
    assert np.abs(difference).mean() <= mean
    assert np.abs(difference.mean(axis=(0, 1))).max() <= channels


@every_picture
@pytest.mark.parametrize(
    # Pillow rounds the luma before it blends
    ('operation', 'tolerance'),
    [('brightness', 0.05), ('contrast', 0.05), ('saturation', 0.45)],
)
def test_blends_are_pillows(name, operation, tolerance):
    picture = PICTURES[name]
    for factor in FACTORS[operation]:
        expected = PUBLISHED[operation](Image.fromarray(picture), factor)
        actual = photometric.recolor(picture, [(operation, factor)])
        check(actual, expected, tolerance, max(0.1, tolerance))


@every_picture
def test_hue_is_pillows(name):
    for turns in FACTORS['hue']:
        expected = published.adjust_hue(Image.fromarray(PICTURES[name]), turns)
        check(photometric.adjust_hue(PICTURES[name], turns), expected, 0.6, 0.5)


@every_picture
def test_chains_do_not_drift_from_pillows(name):
    rng = np.random.default_rng(1)
    for _ in range(30):
        steps = [(op, float(rng.choice(FACTORS[op]))) for op in rng.permutation(list(PUBLISHED))]
        expected = Image.fromarray(PICTURES[name])
        for operation, factor in steps:
            expected = PUBLISHED[operation](expected, factor)
        check(photometric.recolor(PICTURES[name], steps), expected, 2.0, 1.0)


def test_jitter_keeps_the_order_of_its_steps():
    picture = PICTURES['noise']
    steps = [('brightness', 1.8), ('contrast', 0.3)]
    forth, back = (photometric.recolor(picture, s) for s in (steps, steps[::-1]))
    assert np.abs(forth.astype(int) - back).mean() > 10
    step_by_step = photometric.recolor(photometric.recolor(picture, steps[:1]), steps[1:])
    assert np.array_equal(forth, step_by_step)


@every_picture
def test_grayscale_and_solarize_are_pillows(name):
    picture = PICTURES[name]
    gray = Image.fromarray(picture).convert('L').convert('RGB')
    check(photometric.recolor(picture, [('gray', 1)]), gray, 0.02, 0.02)
    for threshold in (0, 128, 256):
        expected = ImageOps.solarize(Image.fromarray(picture), threshold)
        assert np.array_equal(photometric.solarize(picture, threshold), expected)


@every_picture
def test_blur_is_pillows(name):
    for radius in (0.0, 0.1, 0.37, 0.7, 1.0, 1.9, 4.0):
        expected = Image.fromarray(PICTURES[name]).filter(ImageFilter.GaussianBlur(radius))
        check(photometric.gaussian_blur(PICTURES[name], radius), expected, 1.2, 0.6)


@pytest.mark.parametrize('radius', [0.1, 0.5, 1.0, 2.0, 5.0])
def test_blur_kernel_has_the_variance_of_its_radius(radius):
    kernel = photometric.blur_kernel(radius).astype(float)
    offsets = np.arange(len(kernel)) - len(kernel) // 2
    assert kernel.sum() == pytest.approx(1, abs=1e-6)
    assert (kernel * offsets**2).sum() == pytest.approx(radius**2, rel=1e-4)


@every_picture
@pytest.mark.parametrize('first', ['brightness', 'contrast', 'saturation'])
def test_a_fused_pair_equals_one_after_the_other(name, first):
    rng = np.random.default_rng(2)
    picture = PICTURES[name]
    for second in ('brightness', 'contrast', 'saturation', 'gray'):
        steps = [(first, rng.uniform(0.3, 1.0)), (second, rng.uniform(0.3, 1.7))]
        apart = photometric.recolor(photometric.recolor(picture, steps[:1]), steps[1:])
        check(photometric.recolor(picture, steps), apart, 1.0, 1.0 if name == 'gray' else 0.7)


def test_what_clamps_is_not_fused(monkeypatch):
    transforms = []
    apply = photometric.cv2.transform
    monkeypatch.setattr(
        photometric.cv2, 'transform', lambda *args: transforms.append(args) or apply(*args)
    )
    for factors, passes in (((0.7, 0.8, 0.9), 1), ((0.7, 1.4, 0.9), 2), ((1.4, 1.4, 1.2), 3)):
        transforms.clear()
        names = ('brightness', 'contrast', 'saturation')
        photometric.recolor(PICTURES['noise'], list(zip(names, factors, strict=True)))
        assert len(transforms) == passes


def test_nothing_writes_into_its_input():
    picture = PICTURES['noise'].copy()
    picture.flags.writeable = False
    for name in (*photometric.LINEAR, *photometric.OTHERS):
        assert not np.array_equal(photometric.recolor(picture, [(name, 0.4)]), picture)
    assert np.array_equal(picture, PICTURES['noise'])
    assert photometric.recolor(picture, []) is picture
