"""From a batch of uint8 views to normalised groups of one size, on the device."""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from dinomm.datasets.transforms.raw_view import images_and_steps, join_steps
from dinomm.registry import MODELS

from .photometric import recolor_batch

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


class ViewGroup(NamedTuple):
    """Consecutive views of one size.

    Attributes:
        images: (num_views * B, C, H, W) float32, view-major: all images of the first view first.
        num_views: How many views the group holds.
    """

    images: Tensor
    num_views: int


@MODELS.register_module()
class MultiCropPreprocessor(BaseDataPreprocessor):
    """Moves uint8 views to the device, joins equal sizes and normalises there.

    Before that it does the colour operations that ``MultiCrop(recolor_on_device=True)`` has left.

    Args:
        mean: Of each channel (RGB), in grey levels of 0 to 255.
        std: Likewise.
        non_blocking: Copy asynchronously from pinned memory.
    """

    def __init__(
        self,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        non_blocking: bool = True,
    ):
        super().__init__(non_blocking=non_blocking)
        if len(mean) != len(std) or min(std) <= 0:
            raise ValueError(
                'model.data_preprocessor: mean and std need one value a channel, std above 0; '
                f'got mean={tuple(mean)}, std={tuple(std)}'
            )
        self.register_buffer('mean', torch.tensor(mean).view(-1, 1, 1), False)
        self.register_buffer('std', torch.tensor(std).view(-1, 1, 1), False)

    def forward(self, data: dict, training: bool = False) -> dict:
        """Views to groups.

        Args:
            data: ``inputs``, one (B, C, H, W) tensor a view, uint8 or float in grey levels, or
                :class:`~dinomm.datasets.transforms.raw_view.RawView`; ``data_samples`` passes
                through.
            training: Unused; part of mmengine's interface.

        Returns:
            The same dict with ``inputs`` a list of :class:`ViewGroup`, in the order of the views.
        """
        views, steps = zip(*map(images_and_steps, data['inputs']), strict=True)
        data = self.cast_data({**data, 'inputs': views})
        groups = []
        pairs = zip(data['inputs'], steps, strict=True)
        for _, same_size in groupby(pairs, key=lambda pair: pair[0].shape[-2:]):
            views, steps = zip(*same_size, strict=True)
            images = self._grey_levels(torch.cat(views))
            recolor_batch(images, join_steps(steps))
            groups.append(ViewGroup(images.sub_(self.mean).div_(self.std), len(views)))
        return {**data, 'inputs': groups}

    def _grey_levels(self, images: Tensor) -> Tensor:
        if images.shape[1] != len(self.mean):
            raise ValueError(
                f'images have {images.shape[1]} channels, model.data_preprocessor.mean has '
                f'{len(self.mean)}: make them agree'
            )
        return images.to(torch.float32, memory_format=torch.contiguous_format, copy=True)
