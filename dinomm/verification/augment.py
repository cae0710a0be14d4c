"""Runs ``augment.npz`` through the functions that :class:`~dinomm.datasets.MultiCrop` applies.

The colour operations also run as the preprocessor does them, over a batch on the device.

The names in the file are ``PICTURE/image``, ``PICTURE/CROP/{box_yxhw,resized}`` and
``PICTURE/CROP/OPERATION/{out,...}``; an operation's name may end in a number.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch

from dinomm.datasets.transforms.geometry import resized_crop
from dinomm.datasets.transforms.photometric import Step, recolor
from dinomm.datasets.transforms.raw_view import pack_steps
from dinomm.models.photometric import recolor_batch

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
            steps_of, arguments, tolerance = OPERATIONS[operation]
            steps = steps_of(*(take(f'{entry}/{name}') for name in arguments))
            resized, expected = take(f'{picture}/{crop}/resized'), take(key)
            yield from _differences(entry, recolor(resized, steps), expected, tolerance)
            batched = recolor_as_batch(resized, steps)
            yield from _differences(f'{entry} batched', batched, expected, tolerance)
    for key in arrays:
        if key not in used:
            yield Result(f'{key}: not understood', np.inf, 0.0)


def recolor_as_batch(picture: np.ndarray, steps: Sequence[Step]) -> np.ndarray:
    """What ``recolor`` does, by the preprocessor's function."""
    images = torch.from_numpy(picture).permute(2, 0, 1)[None].to(torch.float32, copy=True)
    recolor_batch(images, pack_steps([steps]))
    return images[0].permute(1, 2, 0).to(torch.uint8).numpy()


def _chain(order: np.ndarray, factors: np.ndarray) -> Sequence[Step]:
    return list(zip(order.tolist(), factors.tolist(), strict=True))


def _alone(name: str) -> Callable[..., Sequence[Step]]:
    return lambda value=SOLARIZE_THRESHOLD: [(name, float(value))]


# operation -> (its arguments to steps, names of the arguments, tolerance)
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
