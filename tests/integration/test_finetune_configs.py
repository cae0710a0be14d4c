"""The shipped configs of fine-tuning: as pretraining's networks, and two steps of each."""

import ast

import pytest
import torch
from mmengine.registry import DefaultScope

from dinomm import data_config, launch
from dinomm.models import encode
from dinomm.registry import MODELS

from . import shipped, tiny

CONFIGS = sorted(
    str(path.relative_to(tiny.ROOT)) for path in (tiny.ROOT / 'configs/evaluation').glob('*.py')
)
PRETRAINING = {
    'finetune_quickstart_photos': 'configs/dino/quickstart_photos.py',
    'finetune_swin-tiny-w7': 'configs/esvit/esvit_swin-tiny-w7_16xb32-coslr-300e_in1k.py',
    'finetune_vit-small-p16': 'configs/dino/dino_vit-small-p16_8xb64-coslr-100e_in1k.py',
}
SWIN = dict(embed_dims=12, depths=[1, 1, 2, 1], num_heads=[1, 1, 2, 4])
VIT = dict(embed_dims=48, num_layers=2, num_heads=3, feedforward_channels=96)


def pretraining_of(path):
    (source,) = (value for stem, value in PRETRAINING.items() if stem in path)
    return shipped.read(source)


def backbone_of(config):
    with DefaultScope.overwrite_default_scope('dinomm'):
        backbone = MODELS.build(config.model.backbone)
    torch.nn.Module.train(backbone, False)  # mmpretrain's return None from eval()
    return backbone


@pytest.mark.parametrize('path', CONFIGS)
def test_full_size_computes_what_pretraining_did(path):
    config, source = shipped.read(path), pretraining_of(path)
    tuned, pretrained = backbone_of(config), backbone_of(source)
    tuned.load_state_dict(pretrained.state_dict())
    side = config.train_dataloader.dataset.pipeline[1].scale
    images = torch.randn(1, 3, side, side)
    with torch.no_grad():
        features = tuned(images)[-1]
        expected = encode(pretrained, images, False)[0]
    if features.ndim == 4:
        features = features.mean((2, 3))
    torch.testing.assert_close(features, expected, rtol=1e-5, atol=1e-5)
    assert config.model.head.in_channels == features.shape[1]


@pytest.mark.parametrize('path', CONFIGS)
def test_docstring(path):
    text = ast.get_docstring(ast.parse((tiny.ROOT / path).read_text()))
    assert all(word in text for word in ('Paper: ', 'Command: ', 'esult: ', path))


@pytest.mark.parametrize('path', CONFIGS)
def test_two_steps_from_a_pretrained_backbone(path, tmp_path, data):
    config, source = shipped.read(path), pretraining_of(path)
    data_config.set_data(config, str(data))
    swin = config.model.backbone.type == 'SwinTransformer'
    small = dict(arch=SWIN) if swin else dict(arch=VIT, img_size=32, patch_size=8)
    for backbone in (config.model.backbone, source.model.backbone):
        backbone.update(small)
    config.model.head.in_channels = 96 if swin else 48
    weights = {f'backbone.{n}': t for n, t in backbone_of(source).state_dict().items()}
    torch.save({'state_dict': weights}, tmp_path / 'pretrained.pth')
    config.pretrained = str(tmp_path / 'pretrained.pth')
    for loader in (config.train_dataloader, config.val_dataloader):
        loader.update(batch_size=16, num_workers=0, persistent_workers=False)
        for step in loader.dataset.pipeline:
            for key, size in (('scale', 32), ('crop_size', 32)):
                if key in step:
                    step[key] = size
    config.train_cfg.max_epochs = 1
    config.param_scheduler = [dict(config.param_scheduler[0], end=1)]
    config.default_hooks.logger.interval = 1
    config.work_dir, config.experiment_name = str(tmp_path / 'work'), path.replace('/', '-')
    runner = launch.build_runner(config)
    runner.train()
    assert runner.iter == 2 and len(tiny.logged(tmp_path / 'work')) == 2
    assert tiny.logged(tmp_path / 'work', 'accuracy/top1')
    state = runner.optim_wrapper.optimizer.state
    assert all(parameter in state for parameter in runner.model.parameters())
    rates = {g['lr'] / g['lr_scale'] for g in runner.optim_wrapper.optimizer.param_groups}
    assert len({g['lr_scale'] for g in runner.optim_wrapper.optimizer.param_groups}) > 2
    assert max(rates) == pytest.approx(min(rates))
