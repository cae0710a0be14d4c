"""Runs a tool as the docs call it, with a network, pictures and a run of seconds.

Called by tests.integration.processes.run_tool with the tool's name and its arguments. The config
is checked as the command line left it, and only then made small.
"""

import os
import runpy
import sys
from pathlib import Path

from mmengine.config import ConfigDict

from dinomm import launch
from dinomm.detector_config import is_detector
from tests.integration.tiny import ROOT

VIT = dict(
    type='DINOVisionTransformer',
    arch=dict(embed_dims=48, num_layers=2, num_heads=3, feedforward_channels=96),
    img_size=32,
    patch_size=4,
)
BATCH, EPOCHS, MICRO_BATCHES, EPOCH_SIZE = 4, 2, 4, 20
build_runner = launch.build_runner


def shrink(config) -> None:
    """A small network for a large one; few and small pictures; two epochs a phase."""
    if is_detector(config):
        shrink_detector(config)
        return
    if not isinstance(config.model.backbone.get('arch'), dict):  # else it is a quick start
        config.model.backbone = dict(VIT, mask_token='masking' in config.model)
        for head in config.model.heads.values():
            if 'num_prototypes' in head:
                head.update(in_channels=48, hidden_channels=32, bottleneck_channels=16)
                head.num_prototypes = 64
        _shrink_pictures(config)
    for loader in _loaders(config):
        loader.update(batch_size=BATCH, num_workers=0, persistent_workers=False)
    if config.train_dataloader.sampler.get('epoch_size'):
        config.train_dataloader.sampler.epoch_size = EPOCH_SIZE
    wrapper = config.optim_wrapper
    wrapper.accumulative_counts = min(wrapper.get('accumulative_counts', 1), MICRO_BATCHES)
    phases = 1 + any(hook.type == 'ContinueHook' for hook in config.get('custom_hooks', ()))
    config.train_cfg.update(max_epochs=phases * EPOCHS, val_interval=EPOCHS)
    for scheduler in config.param_scheduler:
        scheduler.begin = 0
        scheduler.pop('end', None)
    config.default_hooks.checkpoint.update(by_epoch=True, interval=1)
    config.default_hooks.logger.interval = 1


def shrink_detector(config) -> None:
    """A small network for a published one, small pictures, two epochs."""
    if isinstance(config.model.backbone.get('arch'), str):  # else it is a quick start
        from tests.integration.detectors import shrink_network

        shrink_network(config, ConfigDict())
    for loader in _loaders(config):
        loader.update(batch_size=BATCH, num_workers=0, persistent_workers=False)
        for transform in loader.dataset.pipeline:
            if transform.type == 'Resize':
                transform.scale = (64, 64)
    config.train_cfg.update(max_epochs=EPOCHS, val_interval=EPOCHS)
    for scheduler in config.param_scheduler:
        scheduler.begin = 0
        scheduler.pop('end', None)
    config.default_hooks.checkpoint.interval = 1


def _loaders(config):
    evaluations = [config.get('val_cfg'), config.get('test_cfg')]
    loaders = [config.get(f'{part}_dataloader') for part in ('train', 'val', 'test')]
    loaders += [loop.get('support_dataloader') for loop in evaluations if loop]
    return [loader for loader in loaders if loader]


def _shrink_pictures(config) -> None:
    for loader in _loaders(config):
        for transform in loader.dataset.pipeline:
            if transform.type == 'CenterView':
                transform.update(short_side=36, size=32)
            for view in transform.get('views', ()):
                view.size = 32 if view.size >= 160 else 16


def build_small(config, launcher='none'):
    """Stands in for launch.build_runner."""
    from dinomm import registry  # noqa: F401

    launch.check_values(config)
    launch.check_config(config)
    shrink(config)
    return build_runner(config, launcher)


if __name__ == '__main__':
    assert ROOT in Path(launch.__file__).parents, launch.__file__
    launch.build_runner = build_small
    _, tool, *arguments = sys.argv
    sys.path[:0] = filter(None, os.environ.get('PYTHONPATH', '').split(os.pathsep))
    sys.argv = [str(ROOT / 'tools' / tool), *arguments]
    runpy.run_path(sys.argv[0], run_name='__main__')
