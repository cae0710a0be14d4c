"""Image retrieval by the cosine of frozen features, at one scale or several.

DINO's protocol (arXiv:2104.14294, section 4.2.1) on the revisited Oxford and Paris sets
(arXiv:1803.11285), or on any images with labels: each asks for the others of its class.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from .images import encode_whole_patches, normalised
from .ranking import RankingQuality

SCALES = (1.0, 1 / math.sqrt(2), 0.5)
SIZE = 224


def thumbnail(picture: np.ndarray, size: int = SIZE) -> np.ndarray:
    """A picture (H, W, 3) uint8 whose longer side is at most ``size`` (Lanczos, as published)."""
    image = Image.fromarray(picture)
    image.thumbnail((size, size), Image.Resampling.LANCZOS)
    return np.asarray(image)


def crop_to_box(picture: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """The part within (left, top, right, bottom), pixels, rounded.

    Raises:
        ValueError: Nothing of the picture lies in the box.
    """
    left, top, right, bottom = (max(0, round(edge)) for edge in box)
    part = picture[top:bottom, left:right]
    if not part.size:
        raise ValueError(
            f'box {tuple(box)} holds nothing of a picture of {picture.shape[1]}x'
            f'{picture.shape[0]} pixels: expected left, top, right, bottom'
        )
    return part


def multi_scale_features(model: Any, images: Tensor, scales: Sequence[float] = SCALES) -> Tensor:
    """View features, averaged over the scales and then L2-normalised, (N, C) float32.

    Args:
        model: A `SelfDistillation` in evaluation mode.
        images: (N, 3, H, W) normalised.
        scales: The images are resized by them (bilinear, not antialiased, as published).

    Raises:
        ValueError: An image is smaller than a patch.
    """
    total = 0.0
    for scale in scales:
        resized = images
        if scale != 1:
            resized = F.interpolate(images, scale_factor=scale, mode='bilinear')
        total = total + encode_whole_patches(model, resized, regions=False).view.float()
    return F.normalize(total, dim=1)


@torch.no_grad()
def retrieval_features(
    model: Any, pictures: list[Tensor], scales: Sequence[float] = SCALES
) -> Tensor:
    """Features (N, C) of pictures (3, H, W) uint8 of any sizes, in main memory.

    Pictures of one size go through the network together.

    Raises:
        ValueError: A picture is smaller than a patch.
    """
    features: list[Tensor] = [torch.empty(0)] * len(pictures)
    for shape in {picture.shape for picture in pictures}:
        alike = [i for i, picture in enumerate(pictures) if picture.shape == shape]
        images = normalised(model, torch.stack([pictures[i] for i in alike]))
        rows = multi_scale_features(model, images, scales).cpu()
        for i, row in zip(alike, rows, strict=True):
            features[i] = row
    return torch.stack(features)


def as_figures(quality: RankingQuality, name: str = '') -> dict[str, float]:
    """Percentages, named ``mAP <name>`` and ``mP@<k> <name>``."""
    figures = {'mAP': quality.mean_average_precision}
    figures |= {f'mP@{k}': value for k, value in quality.mean_precision.items()}
    return {f'{key} {name}'.strip(): 100 * value for key, value in figures.items()}
