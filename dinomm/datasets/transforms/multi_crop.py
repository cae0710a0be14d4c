"""Several random views of one picture."""

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from dinomm.registry import TRANSFORMS

from . import photometric
from .geometry import random_box, resized_crop
from .views import Jitter, View, parse_view


@TRANSFORMS.register_module()
class MultiCrop(BaseTransform):
    """Cuts every view from one decoded picture, as DINO does (Caron et al. 2021, section 3.1).

    Each view on its own is cropped and resized, flipped, jittered, made gray, blurred and
    solarized, in this order. All draws come from ``sample_key`` alone.

    Example::

        MultiCrop(views=[
            dict(size=224, scale=(.4, 1.), num=2, flip=.5, gray=.2,
                 jitter=dict(prob=.8, brightness=.4, contrast=.4, saturation=.2, hue=.1),
                 blur=dict(prob=.5, radius=(.1, 2.)), solarize=dict(prob=.1, threshold=128)),
            dict(size=96, scale=(.05, .4), num=8, flip=.5),
        ])

    Args:
        views: A dict each; ``num`` makes several alike, everything but ``size`` and ``scale`` may
            be left out. The views come out in this order, so global crops stand first.
        ratio: Range of the crops' aspect ratio, width over height.

    Raises:
        ValueError: A key is unknown, missing or out of range; it is named as ``views[i].key``.
    """

    def __init__(
        self, views: Sequence[Mapping[str, Any]], ratio: tuple[float, float] = (3 / 4, 4 / 3)
    ) -> None:
        if isinstance(views, (str, Mapping)) or not views:
            raise ValueError(f'MultiCrop.views must be a list of at least one dict, not {views!r}')
        parsed = [parse_view(view, f'views[{i}]') for i, view in enumerate(views)]
        self.views = [view for view in parsed for _ in range(view.num)]
        if len(ratio) != 2 or not 0 < ratio[0] <= ratio[1]:
            raise ValueError(f'MultiCrop.ratio must be two ascending positive numbers, not {ratio}')
        self.ratio = (ratio[0], ratio[1])

    def transform(self, results: dict) -> dict:
        """Takes ``img`` (H, W, 3) and ``sample_key``.

        Adds ``views`` (list of uint8 (size, size, 3)), ``boxes`` ((V, 4): y, x, height, width in
        pixels of ``img``) and ``flips`` ((V,)).
        """
        picture = results['img']
        height, width = picture.shape[:2]
        rng = results['sample_key'].generator()
        views, boxes, flips = [], [], []
        for view in self.views:
            box = random_box(height, width, view.scale, self.ratio, rng)
            flip = _happens(view.flip, rng)
            crop = resized_crop(picture, box, (view.size, view.size))
            views.append(recolor(cv2.flip(crop, 1) if flip else crop, view, rng))
            boxes.append(box)
            flips.append(flip)
        results.update(views=views, boxes=np.array(boxes), flips=np.array(flips))
        return results


def recolor(picture: np.ndarray, view: View, rng: np.random.Generator) -> np.ndarray:
    """Draws and applies a view's colour operations, blur and solarization."""
    if view.jitter and _happens(view.jitter.prob, rng):
        picture = photometric.color_jitter(picture, draw_jitter(view.jitter, rng))
    if _happens(view.gray, rng):
        picture = photometric.grayscale(picture)
    if view.blur and _happens(view.blur.prob, rng):
        picture = photometric.gaussian_blur(picture, _uniform(*view.blur.radius, rng))
    if view.solarize and _happens(view.solarize.prob, rng):
        picture = photometric.solarize(picture, view.solarize.threshold)
    return picture


def draw_jitter(jitter: Jitter, rng: np.random.Generator) -> list[tuple[str, float]]:
    """Operations in random order with their factors, distributed as torchvision's ColorJitter."""
    factors = {
        name: _uniform(max(0.0, 1 - spread), 1 + spread, rng)
        for name, spread in (
            ('brightness', jitter.brightness),
            ('contrast', jitter.contrast),
            ('saturation', jitter.saturation),
        )
        if spread
    }
    if jitter.hue:
        factors['hue'] = _uniform(-jitter.hue, jitter.hue, rng)
    names = list(factors)
    return [(names[i], factors[names[i]]) for i in rng.permutation(len(names))]


def _happens(probability: float, rng: np.random.Generator) -> bool:
    return rng.random() < probability


def _uniform(low: float, high: float, rng: np.random.Generator) -> float:
    return low + (high - low) * rng.random()
