"""Colour operations and blur on RGB uint8 pictures (H, W, 3), as torchvision does them with Pillow.

Pillow truncates where it blends two pictures; so do these functions, else a chain of four
operations brightens a picture by up to two grey levels.
"""

import math
from collections.abc import Callable, Iterable
from functools import lru_cache

import cv2
import numpy as np

Picture = np.ndarray

_LEVELS = np.arange(256)
_TRUNCATE = -0.4995  # turns OpenCV's rounding into truncation, and leaves whole numbers alone


def adjust_brightness(picture: Picture, factor: float) -> Picture:
    """``factor`` times the picture; 0 is black, 1 changes nothing."""
    return _blend_with_grey(picture, 0, factor)


def adjust_contrast(picture: Picture, factor: float) -> Picture:
    """Blends with the mean grey level of the picture; 0 is that grey, 1 changes nothing."""
    mean = cv2.mean(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))[0]
    return _blend_with_grey(picture, int(mean + 0.5), factor)


def adjust_saturation(picture: Picture, factor: float) -> Picture:
    """Blends with the grayscale picture; 0 is gray, 1 changes nothing."""
    return cv2.addWeighted(picture, factor, grayscale(picture), 1 - factor, _TRUNCATE)


def adjust_hue(picture: Picture, turns: float) -> Picture:
    """Rotates the hue by ``turns`` of the colour circle (-0.5 to 0.5).

    A channel is value - chroma * c(hue) with c in [0, 1]. OpenCV's own way back from HSV knows 256
    whole hues only, which shifts the mean of a channel by up to two grey levels.
    """
    hue, saturation, value = cv2.split(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV_FULL))
    chroma = cv2.multiply(saturation, value, scale=1 / 255)
    absent = cv2.LUT(_three(hue), _absence_table(int(turns * 255)))
    return cv2.subtract(_three(value), cv2.multiply(_three(chroma), absent, scale=1 / 255))


def grayscale(picture: Picture) -> Picture:
    """The luma in all three channels."""
    return _three(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))


def gaussian_blur(picture: Picture, radius: float) -> Picture:
    """Blurs by Pillow's Gaussian; ``radius`` is its standard deviation in pixels."""
    kernel = blur_kernel(radius)
    return cv2.sepFilter2D(picture, -1, kernel, kernel, borderType=cv2.BORDER_REPLICATE)


def blur_kernel(radius: float) -> np.ndarray:
    """Three box filters with fractional ends whose variances add up to ``radius`` squared.

    Gwosdek et al., Theoretical Foundations of Gaussian Convolution by Extended Box Filtering
    (2011), section 3; it is what Pillow does. A sampled Gaussian is narrower below 1 pixel.
    """
    variance = radius**2 / 3
    whole = int((math.sqrt(12 * variance + 1) - 1) / 2)  # full pixels on either side
    end = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance)
    end /= 6 * (variance - (whole + 1) ** 2)
    box = np.ones(2 * whole + 3)
    box[[0, -1]] = end
    box /= box.sum()
    return np.convolve(np.convolve(box, box), box).astype(np.float32)


def solarize(picture: Picture, threshold: int) -> Picture:
    """Inverts all values of at least ``threshold``."""
    return cv2.LUT(picture, _solarize_table(threshold))


JITTER: dict[str, Callable[[Picture, float], Picture]] = {
    'brightness': adjust_brightness,
    'contrast': adjust_contrast,
    'saturation': adjust_saturation,
    'hue': adjust_hue,
}


def color_jitter(picture: Picture, steps: Iterable[tuple[str, float]]) -> Picture:
    """Applies operations of :data:`JITTER` in the given order, each with its factor."""
    for name, factor in steps:
        picture = JITTER[name](picture, factor)
    return picture


def _blend_with_grey(picture: Picture, grey: int, factor: float) -> Picture:
    return cv2.addWeighted(picture, factor, picture, 0, (1 - factor) * grey + _TRUNCATE)


def _three(channel: np.ndarray) -> Picture:
    return cv2.cvtColor(channel, cv2.COLOR_GRAY2RGB)


@lru_cache(maxsize=512)
def _absence_table(shift: int) -> np.ndarray:
    """c of each channel (0..255) for OpenCV's 256 hues, after ``shift`` of Pillow's.

    Pillow's hue is floor(255 * turns): half a step low on average. It wraps at 256, torchvision
    with it.
    """
    pillow_hue = np.maximum(_LEVELS * 255 / 256 - 0.5, 0)
    sixths = (pillow_hue + shift) % 256 * (6 / 255)
    distance = (sixths[:, None, None] + np.array([5, 3, 1])) % 6  # of red, green, blue
    return np.rint(255 * np.clip(np.minimum(distance, 4 - distance), 0, 1)).astype(np.uint8)


@lru_cache
def _solarize_table(threshold: int) -> np.ndarray:
    return np.where(threshold > _LEVELS, _LEVELS, 255 - _LEVELS).astype(np.uint8)
