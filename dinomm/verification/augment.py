"""Runs ``augment.npz`` through the functions that :class:`~dinomm.datasets.MultiCrop` applies.

The names in the file are ``PICTURE/image``, ``PICTURE/CROP/{box_yxhw,resized}`` and
``PICTURE/CROP/OPERATION/{out,...}``; an operation's name may end in a number.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from dinomm.datasets.transforms.geometry import resized_crop
from dinomm.datasets.transforms.photometric import recolor

from .result import Result, compare

SOLARIZE_THRESHOLD = 128
CHANNEL_MEAN_TOLERANCE = 1.0
FINE, COARSE = 1.0, 2.0  # mean absolute difference allowed, in grey levels

Arrays = Mapping[str, np.ndarray]


def check_augment(arrays: Arrays) -> Iterator[Result]:
    """Yields, for every stored output, the mean absolute difference and the channel means'."""
    used: set[str] = set()

    def take(key: str) -> np.ndarray:
        used.add(key)
        return arrays[key]

    for key in arrays:
        parts = key.split('/')
        if len(parts) == 3 and parts[2] == 'resized':
            picture, crop, _ = parts
            y, x, height, width = take(f'{picture}/{crop}/box_yxhw').tolist()
            expected = take(key)
            actual = resized_crop(
                take(f'{picture}/image'), (y, x, height, width), expected.shape[:2]
            )
            yield from _differences(f'{picture}/{crop}', actual, expected, FINE)
        elif len(parts) == 4 and parts[3] == 'out':
            picture, crop, numbered, _ = parts
            entry = f'{picture}/{crop}/{numbered}'
            operation = numbered.rstrip('0123456789')
            if operation not in OPERATIONS:
                continue  # reported below as not understood
            apply, arguments, tolerance = OPERATIONS[operation]
            actual = apply(
                take(f'{picture}/{crop}/resized'), *(take(f'{entry}/{name}') for name in arguments)
            )
            yield from _differences(entry, actual, take(key), tolerance)
    for key in arrays:
        if key not in used:
            yield Result(f'{key}: not understood', np.inf, 0.0)


def _chain(picture: np.ndarray, order: np.ndarray, factors: np.ndarray) -> np.ndarray:
    return recolor(picture, list(zip(order.tolist(), factors.tolist(), strict=True)))


def _alone(name: str):
    return lambda picture, value=SOLARIZE_THRESHOLD: recolor(picture, [(name, float(value))])


# operation -> (function of the crop and its arguments, names of the arguments, tolerance)
OPERATIONS = {
    'brightness': (_alone('brightness'), ('factor',), FINE),
    'contrast': (_alone('contrast'), ('factor',), FINE),
    'saturation': (_alone('saturation'), ('factor',), FINE),
    'hue': (_alone('hue'), ('factor',), COARSE),
    'chain': (_chain, ('order', 'factors'), COARSE),
    'grayscale': (_alone('gray'), (), FINE),
    'solarize': (_alone('solarize'), (), FINE),
    'blur': (_alone('blur'), ('radius',), COARSE),
}


def _differences(
    name: str, actual: np.ndarray, expected: np.ndarray, tolerance: float
) -> Iterator[Result]:
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        yield compare(name, actual, expected, tolerance)
        return
    difference = actual.astype(np.float64) - expected
    yield Result(f'{name}: mean difference', float(np.abs(difference).mean()), tolerance)
    channels = float(np.abs(difference.mean(axis=(0, 1))).max())
    yield Result(f'{name}: channel means', channels, CHANNEL_MEAN_TOLERANCE)
