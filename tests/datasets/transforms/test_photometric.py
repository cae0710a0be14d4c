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
    'saturation': (0.0, 0.8, 0.996, 1.0, 1.004, 1.2, 2.0),
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
@pytest.mark.parametrize('operation', ['brightness', 'contrast', 'saturation'])
def test_blends_are_pillows(name, operation):
    picture = PICTURES[name]
    for factor in FACTORS[operation]:
        expected = PUBLISHED[operation](Image.fromarray(picture), factor)
        check(photometric.JITTER[operation](picture, factor), expected, 0.05, 0.1)


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
        check(photometric.color_jitter(PICTURES[name], steps), expected, 2.0, 1.0)


def test_jitter_keeps_the_order_of_its_steps():
    picture = PICTURES['noise']
    steps = [('brightness', 1.8), ('contrast', 0.3)]
    forth, back = (photometric.color_jitter(picture, s) for s in (steps, steps[::-1]))
    assert np.abs(forth.astype(int) - back).mean() > 10
    step_by_step = photometric.adjust_contrast(photometric.adjust_brightness(picture, 1.8), 0.3)
    assert np.array_equal(forth, step_by_step)


@every_picture
def test_grayscale_and_solarize_are_pillows(name):
    picture = PICTURES[name]
    gray = Image.fromarray(picture).convert('L').convert('RGB')
    check(photometric.grayscale(picture), gray, 0.01, 0.01)
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


def test_nothing_writes_into_its_input():
    picture = PICTURES['noise'].copy()
    picture.flags.writeable = False
    for operation in photometric.JITTER.values():
        operation(picture, 0.4)
    photometric.gaussian_blur(picture, 1.0)
    photometric.solarize(photometric.grayscale(picture), 100)
    assert np.array_equal(picture, PICTURES['noise'])
