"""The shipped configs, built without memory or shrunk to train in a second."""

import copy
from functools import cache
from pathlib import Path

import torch
from mmengine.config import Config
from torch.overrides import TorchFunctionMode

from dinomm import launch
from dinomm.registry import MODELS

from . import tiny

CONFIGS = sorted(
    str(path.relative_to(tiny.ROOT))
    for path in (tiny.ROOT / 'configs').rglob('*.py')
    if not {'_base_', 'evaluation', 'detection'} & set(path.parts)
)
"""Of pretraining; see detectors.py for the others."""

# type of a backbone, or a family of timm's -> what makes it small, its width
SMALL = {
    'DINOVisionTransformer': (
        dict(arch=dict(embed_dims=48, num_layers=2, num_heads=3, feedforward_channels=96)),
        48,
    ),
    'ResNet': (dict(depth=18, stem_channels=8, base_channels=8), 64),
    'SwinTransformer': (
        dict(arch=dict(embed_dims=12, depths=[1, 1, 2, 1], num_heads=[1, 1, 2, 4])),
        96,
    ),
    'xcit': (dict(embed_dim=24, depth=2, num_heads=2), 24),
    'pvt': (dict(embed_dims=(8, 8, 16, 24), depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2)), 24),
}


class LinspaceOnCPU(TorchFunctionMode):
    """mmpretrain's ResNet and Swin read the numbers of a linspace while they are built."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func is torch.linspace:
            kwargs['device'] = 'cpu'
        return func(*args, **kwargs)


def read(path: str) -> Config:
    """The config of a path in the repository, to be changed at will."""
    return copy.deepcopy(_read(path))


@cache
def _read(path: str) -> Config:
    return launch.read_config(str(tiny.ROOT / path))


def build_without_memory(model: dict):
    """A model of full size on the meta device."""
    with torch.device('meta'), LinspaceOnCPU():
        return MODELS.build(model)


def shrink(config: Config, data: Path) -> None:
    """Four steps on tiny pictures, two of warm-up; what else the config says stays."""
    backbone, heads = config.model.backbone, config.model.heads
    if not isinstance(backbone.get('arch'), dict):  # else it is a quick start
        small, width = SMALL[backbone.get('model_name', backbone.type).partition('_')[0]]
        backbone.update(small)
        for head in heads.values():
            head.in_channels = width
    for head in heads.values():
        head.update(hidden_channels=32, bottleneck_channels=16, num_prototypes=64)
    # networks that halve five times leave 2x2 regions of 64 pixels
    larger = 'region' in heads or backbone.get('model_name', '').startswith('pvt')
    for view in config.train_dataloader.dataset.pipeline[1].views:
        view.size = max(16, view.size // 7) * (2 if larger else 1)
    config.train_dataloader.update(batch_size=8, num_workers=0, persistent_workers=False)
    config.train_dataloader.dataset.root = str(data)
    launch.drop_validation(config)
    config.train_cfg.max_epochs = 2
    for scheduler in config.param_scheduler:
        if scheduler.get('begin'):
            scheduler.begin = 1
        if scheduler.get('end'):
            scheduler.end = 1
    config.optim_wrapper.freeze_last_layer = min(1, config.optim_wrapper.freeze_last_layer)
    config.default_hooks.logger.interval = 1
