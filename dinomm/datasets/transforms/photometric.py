"""Colour operations and blur on RGB uint8 pictures (H, W, 3), as torchvision does them with Pillow.

Brightness, contrast, saturation and grayscale are linear in a pixel's channels and its luma: those
in a row, between which nothing can be clamped, are one 3x4 matrix.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

Picture = np.ndarray
Step = tuple[str, float]
"""Name of an operation and its factor, turns, radius or threshold."""

_LEVELS = np.arange(256)
_RED, _GREEN, _BLUE = 0.299, 0.587, 0.114  # shares of the luma
_STEPS = 1024  # a whole: OpenCV multiplies bytes in fixed point
_TRUNCATE = 1 / _STEPS - 0.5  # turns its rounding into truncation, and leaves whole numbers alone


def recolor(picture: Picture, steps: Sequence[Step]) -> Picture:
    """Applies operations in the given order.

    Args:
        picture: It is not written to.
        steps: ``('brightness' | 'contrast' | 'saturation', factor)``, where 1 changes nothing;
            ``('hue', turns)`` of the colour circle, -0.5 to 0.5; ``('gray', any)``;
            ``('blur', radius)``, a standard deviation in pixels; ``('solarize', threshold)``.
    """
    pending = Linear()
    for name, value in steps:
        if name in LINEAR:
            mean = pending.mean_luma(picture) if name == 'contrast' else 0.0
            pending = pending.then(LINEAR[name](value, mean))
            if pending.may_clamp:
                picture, pending = pending.apply(picture), Linear()
        else:
            picture, pending = pending.apply(picture), Linear()
            picture = OTHERS[name](picture, value)
    return pending.apply(picture)


class Linear(NamedTuple):
    """``own * channel + luma * Y + offset`` for every channel of a pixel with the luma Y.

    ``low`` and ``high`` bound what it gives for values from 0 to 255.
    """

    own: float = 1.0
    luma: float = 0.0
    offset: float = 0.0
    low: float = 0.0
    high: float = 255.0

    @property
    def is_identity(self) -> bool:
        """Whether it changes nothing."""
        return self.own == 1 and self.luma == self.offset == 0

    @property
    def may_clamp(self) -> bool:
        """Whether results can lie outside of what a byte holds."""
        return self.low < -0.5 or self.high > 255.5

    def mean_luma(self, picture: Picture) -> float:
        """Of the result, as a whole number: the grey that contrast blends with."""
        red, green, blue, _ = np.asarray(cv2.mean(picture))
        luma = _RED * red + _GREEN * green + _BLUE * blue
        return int((self.own + self.luma) * luma + self.offset + 0.5)

    def then(self, later: 'Linear') -> 'Linear':
        """This one, truncated to whole numbers, and ``later`` on its result.

        Pillow truncates where it blends, half a grey level on average: else a chain of four
        operations is brighter by up to two levels.
        """
        if self.is_identity or later.is_identity:
            return later if self.is_identity else self
        ends = later.luma * self.low, later.luma * self.high
        return Linear(
            own=later.own * self.own,
            luma=later.own * self.luma + later.luma * (self.own + self.luma),
            offset=(later.own + later.luma) * (self.offset - 0.5) + later.offset,
            low=later.own * self.low + min(ends) + later.offset,
            high=later.own * self.high + max(ends) + later.offset,
        )

    def apply(self, picture: Picture) -> Picture:
        """The result, truncated and clamped to bytes."""
        if self.is_identity:
            return picture
        return cv2.transform(picture, self._matrix())

    def _matrix(self) -> np.ndarray:
        own, offset = self.own, self.offset + _TRUNCATE
        if not self.luma:
            return np.array([[own, 0, 0, offset], [0, own, 0, offset], [0, 0, own, offset]])
        # whole steps whose sum is right: else a gray picture would lose a grey level
        own, total = round(_STEPS * own) / _STEPS, round(_STEPS * (own + self.luma)) / _STEPS
        red, blue = (round(_STEPS * self.luma * share) / _STEPS for share in (_RED, _BLUE))
        green = total - own - red - blue
        rows = [
            [own + red, green, blue, offset],
            [red, own + green, blue, offset],
            [red, green, own + blue, offset],
        ]
        return np.array(rows)


def _blend(factor: float, grey: float) -> Linear:
    offset = (1 - factor) * grey
    return Linear(factor, 0, offset, min(offset, 0.0), max(255 * factor + offset, 0.0))


def _saturate(factor: float) -> Linear:
    overshoot = 255 * max(factor - 1, 0)
    return Linear(factor, 1 - factor, 0, -overshoot, 255 + overshoot)


LINEAR: dict[str, Callable[[float, float], Linear]] = {
    'brightness': lambda factor, mean: _blend(factor, 0),
    'contrast': _blend,
    'saturation': lambda factor, mean: _saturate(factor),
    # rounded where the others truncate
    'gray': lambda value, mean: Linear(0, 1, 0.5),
}
"""Factor and mean luma of the picture to the operation."""


def adjust_hue(picture: Picture, turns: float) -> Picture:
    """Rotates the hue by ``turns`` of the colour circle (-0.5 to 0.5).

    A channel is value - chroma * c(hue) with c in [0, 1]. OpenCV's own way back from HSV knows 256
    whole hues only, which shifts the mean of a channel by up to two grey levels.
    """
    hue, saturation, value = cv2.split(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV_FULL))
    chroma = cv2.multiply(saturation, value, scale=1 / 255)
    channels = [
        cv2.subtract(value, cv2.multiply(chroma, cv2.LUT(hue, absence), scale=1 / 255))
        for absence in _absence_tables(int(turns * 255))
    ]
    return cv2.merge(channels)


def gaussian_blur(picture: Picture, radius: float) -> Picture:
    """Blurs by Pillow's Gaussian; ``radius`` is its standard deviation in pixels."""
    kernel = blur_kernel(round(radius, 3))
    return cv2.sepFilter2D(picture, -1, kernel, kernel, borderType=cv2.BORDER_REPLICATE)


@lru_cache(maxsize=4096)
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


def solarize(picture: Picture, threshold: float) -> Picture:
    """Inverts all values of at least ``threshold``."""
    return cv2.LUT(picture, _solarize_table(threshold))


OTHERS: dict[str, Callable[[Picture, float], Picture]] = {
    'hue': adjust_hue,
    'blur': gaussian_blur,
    'solarize': solarize,
}


@lru_cache(maxsize=512)
def _absence_tables(shift: int) -> np.ndarray:
    """c (0..255) of red, green and blue for OpenCV's 256 hues, after ``shift`` of Pillow's.

    Pillow's hue is floor(255 * turns): half a step low on average. It wraps at 256, torchvision
    with it.
    """
    pillow_hue = np.maximum(_LEVELS * 255 / 256 - 0.5, 0)
    sixths = (pillow_hue + shift) % 256 * (6 / 255)
    distance = (sixths + np.array([[5], [3], [1]])) % 6
    return np.rint(255 * np.clip(np.minimum(distance, 4 - distance), 0, 1)).astype(np.uint8)


@lru_cache
def _solarize_table(threshold: float) -> np.ndarray:
    return np.where(threshold > _LEVELS, _LEVELS, 255 - _LEVELS).astype(np.uint8)
