"""Boxes and resampling of RGB uint8 pictures; a box is (y, x, height, width) in pixels."""

import math

import numpy as np
import torch
from torch.nn.functional import interpolate

Box = tuple[int, int, int, int]


def random_box(
    height: int,
    width: int,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    rng: np.random.Generator,
) -> Box:
    """Draws a box as torchvision's ``RandomResizedCrop`` does.

    Area uniform in ``scale`` of the picture's, aspect ratio (width over height) log-uniform in
    ``ratio``; after ten boxes that do not fit, the largest central one within ``ratio``.
    """
    low, high = math.log(ratio[0]), math.log(ratio[1])
    for _ in range(10):
        area = height * width * (scale[0] + (scale[1] - scale[0]) * rng.random())
        aspect = math.exp(low + (high - low) * rng.random())
        w = round(math.sqrt(area * aspect))
        h = round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            y = int(rng.integers(height - h + 1))
            x = int(rng.integers(width - w + 1))
            return y, x, h, w
    return central_box(height, width, ratio)


def central_box(height: int, width: int, ratio: tuple[float, float]) -> Box:
    """The largest box around the centre whose aspect ratio lies within ``ratio``."""
    h, w = height, width
    if width / height < ratio[0]:
        h = round(width / ratio[0])
    elif width / height > ratio[1]:
        w = round(height * ratio[1])
    return (height - h) // 2, (width - w) // 2, h, w


def resized_crop(picture: np.ndarray, box: Box, size: tuple[int, int]) -> np.ndarray:
    """Cuts the box and resizes it to ``size`` (height, width): bicubic, antialiased.

    torch's uint8 kernel is several times as fast as Pillow's on memory that is channels-last,
    and differs from it by rounding alone.
    """
    y, x, h, w = box
    crop = picture[y : y + h, x : x + w].copy()  # the kernel is fast on a dense block alone
    if (h, w) == size:
        return crop
    tensor = torch.from_numpy(crop)[None].permute(0, 3, 1, 2)
    resized = interpolate(tensor, size, mode='bicubic', antialias=True, align_corners=False)
    return np.ascontiguousarray(resized[0].permute(1, 2, 0).numpy())


def reduced_box(box: Box, reduction: int) -> Box:
    """The box in a picture of a fraction of the size, its edges on the nearest whole pixels."""
    y, x, h, w = box
    top, left = round(y / reduction), round(x / reduction)
    return top, left, round((y + h) / reduction) - top, round((x + w) / reduction) - left
