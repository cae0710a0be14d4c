"""The one view that evaluations look at."""

import numpy as np
from mmcv.transforms import BaseTransform

from dinomm.registry import TRANSFORMS

from .geometry import resized_crop


@TRANSFORMS.register_module()
class CenterView(BaseTransform):
    """Resizes the short side (bicubic, antialiased), then cuts the central square.

    Args:
        size: Side of the square, in pixels.
        short_side: Length of the short side before the cut.

    Raises:
        ValueError: The square is larger than the resized picture, or not positive.
    """

    def __init__(self, size: int = 224, short_side: int = 256) -> None:
        if not 0 < size <= short_side:
            raise ValueError(
                f'CenterView.size must be between 1 and short_side ({short_side}), but is {size}'
            )
        self.size = size
        self.short_side = short_side

    def transform(self, results: dict) -> dict:
        """Turns ``img`` (H, W, 3) into ``views``, ``boxes`` and ``flips`` of one view."""
        picture = results['img']
        height, width = picture.shape[:2]
        short = min(height, width)
        resized = resized_crop(
            picture,
            (0, 0, height, width),
            (self.short_side * height // short, self.short_side * width // short),
        )
        y, x = (round((length - self.size) / 2) for length in resized.shape[:2])
        view = resized[y : y + self.size, x : x + self.size]
        box = np.array([[y, x, self.size, self.size]]) * short / self.short_side
        results.update(views=[view], boxes=np.rint(box).astype(int), flips=np.array([False]))
        return results
