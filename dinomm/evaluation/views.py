"""The view features of single files, as evaluations see them."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor

from dinomm.datasets import collate_views
from dinomm.datasets.samplers import SampleKey
from dinomm.registry import TRANSFORMS

from .features import Reader
from .network import FrozenNetwork


def view_features(network: FrozenNetwork, config: Config, paths: Sequence[str]) -> Tensor:
    """(N, C) float32 in main memory, of the one view that ``val_dataloader`` makes of each file.

    Raises:
        BrokenImageError: A file cannot be read.
        ValueError: The config has no ``val_dataloader``.
    """
    batches = view_batches(config, paths)
    return torch.cat([Reader().parts(network, batch)[0].cpu() for batch in batches])


def view_batches(config: Config, paths: Sequence[str]) -> Any:
    """Batches of one image each, as the config's ``val_dataloader`` gives them."""
    if config.get('val_dataloader') is None:
        raise ValueError('the config has no val_dataloader: it names the pipeline of the images')
    pipeline = [TRANSFORMS.build(step) for step in config.val_dataloader.dataset.pipeline]
    for number, path in enumerate(paths):
        results: Any = {'img_path': str(path), 'sample_key': SampleKey(0, 0, number)}
        for transform in pipeline:
            results = transform(results)
        yield collate_views([results])
