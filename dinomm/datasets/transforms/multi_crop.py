"""Several random views of one picture."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from dinomm.registry import TRANSFORMS

from .geometry import Box, random_box, reduced_box, resized_crop
from .loading import EncodedImage
from .photometric import Step, recolor
from .raw_view import RawView
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
        recolor_on_device: Leave jitter, gray, blur and solarization to ``MultiCropPreprocessor``,
            which does them over the batch. The draws are the same, the pixels up to rounding. For
            a GPU that waits for its workers: a CPU needs several times as long for it as they.

    Raises:
        ValueError: A key is unknown, missing or out of range; it is named as ``views[i].key``.
    """

    def __init__(
        self,
        views: Sequence[Mapping[str, Any]],
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
        recolor_on_device: bool = False,
    ) -> None:
        if isinstance(views, (str, Mapping)) or not views:
            raise ValueError(f'MultiCrop.views must be a list of at least one dict, not {views!r}')
        parsed = [parse_view(view, f'views[{i}]') for i, view in enumerate(views)]
        self.views = [view for view in parsed for _ in range(view.num)]
        self.sizes = [view.size for view in self.views]
        if len(ratio) != 2 or not 0 < ratio[0] <= ratio[1]:
            raise ValueError(f'MultiCrop.ratio must be two ascending positive numbers, not {ratio}')
        self.ratio = (ratio[0], ratio[1])
        self.recolor_on_device = recolor_on_device

    def transform(self, results: dict) -> dict:
        """Takes ``img`` (H, W, 3), or an :class:`.EncodedImage` of it, and ``sample_key``.

        Adds ``views`` (list of uint8 (size, size, 3), or of :class:`.RawView`), ``boxes`` ((V, 4):
        y, x, height, width in pixels of the picture at full size; multiples of the reduction that
        it was decoded with) and ``flips`` ((V,)).
        """
        image = results['img']
        encoded = isinstance(image, EncodedImage)
        height, width = (image.height, image.width) if encoded else image.shape[:2]
        rng = results['sample_key'].generator()
        draws = [draw_view(view, height, width, self.ratio, rng) for view in self.views]
        boxes = [draw.box for draw in draws]
        reduction = largest_reduction(boxes, self.sizes, image.reductions) if encoded else 1
        picture = image.decode(reduction) if encoded else image
        boxes = [reduced_box(box, reduction) for box in boxes]
        views = []
        for size, draw, box in zip(self.sizes, draws, boxes, strict=True):
            view = resized_crop(picture, box, (size, size))
            if draw.flip:
                view = cv2.flip(view, 1)
            finish = RawView if self.recolor_on_device else recolor
            views.append(finish(view, draw.steps))
        results['views'] = views
        results['boxes'] = reduction * np.array(boxes)
        results['flips'] = np.array([draw.flip for draw in draws])
        return results


MIN_SHRINKAGE = 3.0
"""How much smaller than its box, on either side, a view of a picture of reduced size still is.

On photographs of 1 to 8 megapixels such a view differs from that of the full size by 0.3 to 0.6
grey levels in the mean; at a shrinkage of 2 by 0.6 to 1.2, and 1.0 is what a crop may differ by.
"""


def largest_reduction(boxes: Sequence[Box], sizes: Sequence[int], reductions: Sequence[int]) -> int:
    """The largest of ``reductions`` that costs no view visible detail, see MIN_SHRINKAGE."""
    shrinkage = min(min(box[2:]) / size for box, size in zip(boxes, sizes, strict=True))
    return max(r for r in reductions if r == 1 or shrinkage >= MIN_SHRINKAGE * r)


class ViewDraw(NamedTuple):
    """What is random about a view."""

    box: Box
    flip: bool
    steps: list[Step]


def draw_view(
    view: View, height: int, width: int, ratio: tuple[float, float], rng: np.random.Generator
) -> ViewDraw:
    """Draws box, flip, jitter, gray, blur and solarization, in this order."""
    box = random_box(height, width, view.scale, ratio, rng)
    flip = _happens(view.flip, rng)
    steps: list[Step] = []
    if view.jitter and _happens(view.jitter.prob, rng):
        steps += draw_jitter(view.jitter, rng)
    if _happens(view.gray, rng):
        steps.append(('gray', 1))
    if view.blur and _happens(view.blur.prob, rng):
        steps.append(('blur', _uniform(*view.blur.radius, rng)))
    if view.solarize and _happens(view.solarize.prob, rng):
        steps.append(('solarize', view.solarize.threshold))
    return ViewDraw(box, flip, steps)


def draw_jitter(jitter: Jitter, rng: np.random.Generator) -> list[Step]:
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
