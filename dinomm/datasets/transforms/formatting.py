"""Packs views into what the model takes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.registry import FUNCTIONS
from mmpretrain.structures import DataSample
from torch.utils.data import default_collate

from dinomm.registry import TRANSFORMS

from .raw_view import RawView, pack_steps


@TRANSFORMS.register_module()
class PackViews(BaseTransform):
    """Gives ``inputs``, a list of uint8 (3, H, W) tensors, one a view, and ``data_samples``.

    The ``DataSample`` has ``gt_label`` if it is known, and as meta information ``img_path``,
    ``boxes`` ((V, 4): y, x, height, width in pixels of the decoded picture), ``flips`` ((V,)) and
    ``sample_key`` (seed, epoch, index). The channels stay innermost in memory, as pictures are
    decoded: the device brings them into the model's order. A :class:`.RawView` remains one.
    """

    def transform(self, results: dict) -> dict:
        """Takes ``views``, ``boxes``, ``flips``, ``img_path``, ``sample_key``, ``gt_label``."""
        sample = DataSample(
            metainfo={
                'img_path': results['img_path'],
                'boxes': results['boxes'],
                'flips': results['flips'],
                'sample_key': tuple(results['sample_key']),
            }
        )
        if 'gt_label' in results:
            sample.set_gt_label(results['gt_label'])
        return {'inputs': [_to_tensor(view) for view in results['views']], 'data_samples': sample}


# Runner.build_dataloader looks collate functions up in mmengine's root registry
@FUNCTIONS.register_module()
def collate_views(samples: Sequence[dict]) -> dict:
    """Stacks each view over the samples.

    Returns:
        ``inputs``: a uint8 (B, 3, H, W) tensor a view, channels innermost in memory
        (``torch.channels_last``), in shared memory if made by a worker, or a :class:`.RawView`;
        ``data_samples``: the list of them.

    Raises:
        ValueError: The samples differ in the number or the sizes of their views.
    """
    shapes = [[tuple(view.shape) for view in sample['inputs']] for sample in samples]
    for sample, shape in zip(samples, shapes, strict=True):
        if shape != shapes[0]:
            raise ValueError(
                f'views of {sample["data_samples"].img_path} have the shapes {shape}, but those of '
                f'{samples[0]["data_samples"].img_path} in the same batch {shapes[0]}: give all '
                'views a fixed size, or set batch_size=1'
            )
    views = zip(*(sample['inputs'] for sample in samples), strict=True)
    return {
        'inputs': [_stack(view) for view in views],
        'data_samples': [sample['data_samples'] for sample in samples],
    }


def _to_tensor(view: np.ndarray | RawView) -> torch.Tensor | RawView:
    """(H, W, 3) to (3, H, W) of the same memory."""
    if isinstance(view, RawView):
        return RawView(_to_tensor(view.images), view.steps)
    return torch.from_numpy(np.ascontiguousarray(view)).permute(2, 0, 1)


def _stack(view: Sequence[Any]) -> torch.Tensor | RawView:
    """(3, H, W) each to (B, 3, H, W), channels innermost: nothing but copies of whole pictures."""
    if isinstance(view[0], RawView):
        images = _stack([image.images for image in view])
        return RawView(images, pack_steps([image.steps for image in view]))
    return default_collate([image.permute(1, 2, 0) for image in view]).permute(0, 3, 1, 2)
