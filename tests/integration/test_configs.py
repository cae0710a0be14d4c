"""Every shipped config, and the other forms that the model takes."""

from pathlib import Path

import pytest
import torch

from dinomm import launch
from dinomm.registry import MODELS

from . import tiny

CONFIGS = sorted(
    str(path.relative_to(tiny.ROOT))
    for path in (tiny.ROOT / 'configs').rglob('*.py')
    if '_base_' not in path.parts
)

# millions of parameters of backbone and head at full size
PARAMETERS = {
    'configs/dino/dino_vit-small-p16_8xb64-coslr-100e_in1k.py': (21.67, 22.35),
    'configs/dino/quickstart_digits.py': (0.47, 0.17),
    'configs/dino/quickstart_photos.py': (0.52, 0.17),
}

VIT = dict(type='DINOVisionTransformer', img_size=224, drop_path_rate=0.1)
SWIN_T = dict(type='SwinTransformer', arch='tiny', img_size=224, pad_small_map=True)
RESNET_50 = dict(type='ResNet', depth=50, norm_cfg=dict(type='BN'))
TIMM = dict(type='TIMMBackbone', model_name='vit_tiny_patch16_224', dynamic_img_size=True)

# published: 5.5/21.7/85.8 M for ViT-T/S/B, 23.5 M for ResNet-50, 27.5 M for Swin-T
BACKBONES = {
    'ViT-T/16': (dict(VIT, arch='deit-tiny', patch_size=16), 5.52),
    'ViT-T/8': (dict(VIT, arch='deit-tiny', patch_size=8), 5.53),
    'ViT-S/8': (dict(VIT, arch='deit-small', patch_size=8), 21.67),
    'ViT-B/16': (dict(VIT, arch='deit-base', patch_size=16), 85.80),
    'ViT-B/8': (dict(VIT, arch='deit-base', patch_size=8), 85.81),
    'ResNet-50': (RESNET_50, 23.51),
    'Swin-T': (SWIN_T, 27.52),
}


def parameters(module) -> float:
    """In millions."""
    return sum(parameter.numel() for parameter in module.parameters()) / 1e6


@pytest.mark.parametrize('path', CONFIGS)
def test_full_size(path):
    """Without memory: on the meta device."""
    config = launch.read_config(str(tiny.ROOT / path))
    with torch.device('meta'):
        model = MODELS.build(config.model)
    sizes = parameters(model.backbone), parameters(model.heads)
    assert sizes == pytest.approx(PARAMETERS[path], abs=0.01)
    assert '"""' in Path(tiny.ROOT / path).read_text()[:3]


@pytest.mark.parametrize('name', BACKBONES)
def test_full_size_of_other_backbones(name):
    backbone, millions = BACKBONES[name]
    # mmpretrain's others read values of tensors while they are built
    with torch.device('meta' if backbone['type'] == VIT['type'] else 'cpu'):
        network = MODELS.build(backbone)
    assert parameters(network) == pytest.approx(millions, abs=0.01)


def shrink(config, data: Path) -> None:
    """Two steps on tiny pictures, whatever the config's network, views and schedules."""
    arch = config.model.backbone.get('arch')
    if isinstance(arch, str) and config.model.backbone.type == 'DINOVisionTransformer':
        config.model.backbone.arch = dict(
            embed_dims=48, num_layers=2, num_heads=3, feedforward_channels=96
        )
        for head in config.model.heads.values():
            head.in_channels = 48
    for head in config.model.heads.values():
        head.update(hidden_channels=32, bottleneck_channels=16, num_prototypes=64)
    for view in config.train_dataloader.dataset.pipeline[1].views:
        view.size = max(16, view.size // 7)
    config.train_dataloader.update(batch_size=16, num_workers=0, persistent_workers=False)
    config.train_dataloader.dataset.root = str(data / 'train')
    launch.drop_validation(config)
    config.train_cfg.max_epochs = 1
    for scheduler in config.param_scheduler:
        scheduler.update(begin=0)
        scheduler.pop('end', None)
    config.default_hooks.logger.interval = 1


def run_two_steps(config, work_dir: Path):
    config.work_dir = str(work_dir)
    config.experiment_name = work_dir.parent.name
    runner = launch.build_runner(config)
    before = [parameter.clone() for parameter in runner.model.parameters()]
    runner.train()
    assert runner.optim_wrapper.steps == runner.iter == 2
    losses = tiny.logged(work_dir)
    assert len(losses) == 2 and all(0 < loss < 20 for loss in losses)
    after = runner.model.parameters()
    assert any(not torch.equal(a, b) for a, b in zip(after, before, strict=True))
    assert any(
        not torch.equal(a, b)
        for a, b in zip(runner.model.parameters(), runner.model.teacher.parameters(), strict=True)
    )
    return runner


@pytest.mark.parametrize('path', CONFIGS)
def test_two_steps(path, tmp_path, data):
    config = launch.read_config(str(tiny.ROOT / path))
    shrink(config, data)
    run_two_steps(config, tmp_path / 'work')


SGD = dict(type='SGD', lr=0.03, momentum=0.9, weight_decay=1e-4)
LARS = dict(type='LARS', lr=0.3, momentum=0.9, weight_decay=1e-6)
SMALL_SWIN = dict(embed_dims=24, depths=[1, 1, 2, 1], num_heads=[1, 2, 4, 8])
FORMS = {
    'ResNet-50 by SGD': (RESNET_50, 2048, SGD, True),
    'ResNet-50 by LARS': (RESNET_50, 2048, LARS, True),
    'Swin': (dict(SWIN_T, arch=SMALL_SWIN, drop_path_rate=0.1), 192, None, False),
    'timm ViT-T': (TIMM, 192, None, False),
}


@pytest.mark.slow
@pytest.mark.parametrize('name', FORMS)
def test_two_steps_of_other_forms(name, tmp_path, data):
    backbone, width, optimizer, batch_norm = FORMS[name]
    path = 'configs/dino/dino_vit-small-p16_8xb64-coslr-100e_in1k.py'
    config = launch.read_config(str(tiny.ROOT / path))
    config.model.backbone = backbone
    config.model.heads.view.update(in_channels=width, batch_norm=batch_norm)
    shrink(config, data)
    if optimizer:
        config.optim_wrapper.optimizer = optimizer
    runner = run_two_steps(config, tmp_path / 'work')
    decayed, others = runner.optim_wrapper.optimizer.param_groups
    assert decayed['weight_decay'] > 0 == others['weight_decay']
    assert others['lars_exclude']
