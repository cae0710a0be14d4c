"""The shipped configs, built without memory or shrunk to train in a second."""

import copy
from functools import cache
from pathlib import Path

import torch
from mmengine.config import Config
from torch.overrides import TorchFunctionMode

from dinomm import data_config, launch
from dinomm.registry import MODELS

from . import tiny

CONFIGS = sorted(
    str(path.relative_to(tiny.ROOT))
    for path in (tiny.ROOT / 'configs').rglob('*.py')
    if not {'_base_', 'evaluation', 'detection'} & set(path.parts)
)
"""Of pretraining; see detectors.py for the others."""

# type of a backbone, or a family of timm's -> what makes it small, its width
SWIN = (dict(arch=dict(embed_dims=12, depths=[1, 1, 2, 1], num_heads=[1, 1, 2, 4])), 96)
SMALL = {
    'DINOVisionTransformer': (
        dict(arch=dict(embed_dims=48, num_layers=2, num_heads=3, feedforward_channels=96)),
        48,
    ),
    'ResNet': (dict(depth=18, stem_channels=8, base_channels=8), 64),
    'SwinTransformer': SWIN,
    'FastSwinTransformer': SWIN,
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
    with_prototypes = [head for head in heads.values() if 'num_prototypes' in head]
    if not isinstance(backbone.get('arch'), dict):  # else it is a quick start
        small, width = SMALL[backbone.get('model_name', backbone.type).partition('_')[0]]
        backbone.update(small)
        for head in with_prototypes:
            head.in_channels = width
    for head in with_prototypes:
        head.update(hidden_channels=32, bottleneck_channels=16, num_prototypes=64)
    for view, size in zip(
        config.train_dataloader.dataset.pipeline[1].views, _small_views(config), strict=True
    ):
        view.size = size
    config.train_dataloader.update(batch_size=8, num_workers=0, persistent_workers=False)
    config.train_dataloader.dataset.root = str(data)
    if config.train_dataloader.sampler.get('epoch_size'):
        config.train_dataloader.sampler.epoch_size = 16
    data_config.drop_validation(config)
    config.train_cfg.max_epochs = 2
    for scheduler in config.param_scheduler:
        if scheduler.get('begin'):
            scheduler.begin = 1
        if scheduler.get('end'):
            scheduler.end = 1
    config.optim_wrapper.freeze_last_layer = min(1, config.optim_wrapper.freeze_last_layer)
    config.default_hooks.logger.interval = 1
    config.default_hooks.checkpoint.interval = 1
    _begin_sooner(config)


def _small_views(config: Config) -> list[int]:
    """Sizes of the views."""
    backbone, heads = config.model.backbone, config.model.heads
    views = config.train_dataloader.dataset.pipeline[1].views
    if not backbone.get('pad_to_patch', True):  # whole patches: 4 x 4 and 2 x 2
        return [backbone.patch_size * (4 if view.size >= 160 else 2) for view in views]
    # networks that halve five times leave 2x2 regions of 64 pixels
    larger = {'region', 'patch'} & {*heads} or backbone.get('model_name', '').startswith('pvt')
    return [max(16, view.size // 7) * (2 if larger else 1) for view in views]


def _begin_sooner(config: Config) -> None:
    """What begins late in a run begins in its second epoch."""
    masking = config.model.get('masking')
    if masking and masking.get('start_epoch'):
        masking.start_epoch = 1
    for hook in config.custom_hooks:
        if hook.type == 'GramAnchorHook':
            hook.begin = 1
        if hook.type == 'FeatureDriftHook':
            hook.update(num_images=4, interval=2)
        if hook.get('freeze_backbone'):
            hook.freeze_backbone = 1
