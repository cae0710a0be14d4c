"""Every shipped config: built at full size, and a few steps at small size."""

import ast
import math

import pytest
import torch
from mmengine.model import convert_sync_batchnorm
from torch import nn

from dinomm import launch
from dinomm.registry import MODELS

from . import shipped, tiny

# millions of parameters of backbone and head at full size, by the beginning of the file's name;
# published: 21 M and 85 M for ViT-S and ViT-B, 23 M for ResNet-50, 28 M for Swin-T, 26 M and 84 M
# for XCiT-S12 and XCiT-M24
PARAMETERS = {
    'dino_vit-small-p16': (21.67, 22.35),
    'dino_vit-small-p8': (21.67, 22.35),
    'dino_vit-base-p16': (85.80, 23.14),
    'dino_vit-base-p8': (85.81, 23.14),
    'dino_resnet50_8xb64': (23.51, 25.76),
    'dino_resnet50_80xb51': (23.51, 24.35),
    'dino_swin-tiny-w7': (27.52, 23.14),
    'dino_xcit-small-12-p16': (25.87, 22.35),
    'dino_xcit-small-12-p8': (25.83, 22.35),
    'dino_xcit-medium-24-p16': (83.88, 22.61),
    'dino_xcit-medium-24-p8': (83.81, 22.61),
    'quickstart_digits': (0.47, 0.17),
    'quickstart_photos': (0.52, 0.17),
}


def is_batch_norm(module) -> bool:
    return isinstance(module, nn.modules.batchnorm._BatchNorm)


def parameters(module) -> float:
    """In millions."""
    return sum(parameter.numel() for parameter in module.parameters()) / 1e6


@pytest.mark.parametrize('path', shipped.CONFIGS)
def test_full_size(path):
    stem = path.split('/')[-1]
    (expected,) = (sizes for name, sizes in PARAMETERS.items() if stem.startswith(name))
    config = shipped.read(path)
    model = shipped.build_without_memory(config.model)
    sizes = parameters(model.backbone), parameters(model.heads)
    assert sizes == pytest.approx(expected, abs=0.01)
    if 'quickstart' not in path:
        assert (config.get('sync_bn') == 'torch') == any(map(is_batch_norm, model.modules()))
    if config.get('sync_bn'):
        convert_sync_batchnorm(model, config.sync_bn)
        norms = [module for module in model.modules() if is_batch_norm(module)]
        assert norms and all(isinstance(norm, nn.SyncBatchNorm) for norm in norms)


@pytest.mark.parametrize('path', shipped.CONFIGS)
def test_docstring(path):
    text = ast.get_docstring(ast.parse((tiny.ROOT / path).read_text()))
    assert 'Paper: ' in text and 'Command' in text
    assert 'Result: ' in text or 'Published result: ' in text
    if 'quickstart' not in path:
        assert f'{path} ' in text
        config, accumulate = shipped.read(path), 'optim_wrapper.accumulative_counts='
        counts = int(text.partition(accumulate)[2].split()[0])
        batch = config.train_dataloader.batch_size * counts
        assert batch == config.auto_scale_lr.base_batch_size


def trained(config, work_dir):
    """The Runner after the run."""
    config.work_dir = str(work_dir)
    config.experiment_name = work_dir.parent.name
    runner = launch.build_runner(config)
    before = [parameter.clone() for parameter in runner.model.parameters()]
    runner.train()
    assert runner.optim_wrapper.steps == runner.iter == 4
    losses = tiny.logged(work_dir)
    assert len(losses) == 4 and all(0 < loss < 20 for loss in losses)
    after = list(runner.model.parameters())
    assert all(torch.isfinite(parameter).all() for parameter in after)
    assert any(not torch.equal(a, b) for a, b in zip(after, before, strict=True))
    return runner


@pytest.mark.parametrize('path', shipped.CONFIGS)
def test_steps_at_small_size(path, tmp_path, data):
    config = shipped.read(path)
    shipped.shrink(config, data / 'few')
    runner = trained(config, tmp_path / 'work')
    student, teacher = runner.model, runner.model.teacher
    same = [
        torch.equal(a, b)
        for a, b in zip(student.parameters(), teacher.parameters(), strict=True)
        if a.requires_grad
    ]
    assert all(same) if 'no-momentum' in path else not all(same)
    assert student.heads.view.centering.center.any() == ('no-centering' not in path)
    # every parameter has had a gradient, else DDP would wait for it
    optimizer = runner.optim_wrapper.optimizer
    assert all(p in optimizer.state for group in optimizer.param_groups for p in group['params'])


def test_every_stage_of_a_full_swin_takes_local_crops():
    """Their maps are smaller than the window; and the published initialisation arrives."""
    config = shipped.read('configs/dino/dino_swin-tiny-w7_16xb32-coslr-300e_in1k.py')
    network = MODELS.build(config.model.backbone)
    network.init_weights()
    for name, weight in network.named_parameters():
        if weight.ndim == 2 and 'relative' not in name:
            assert float(weight.detach().std()) == pytest.approx(0.02, rel=0.05), name
    with torch.no_grad():
        for size, side in ((224, 7), (96, 3)):
            assert network(torch.randn(1, 3, size, size))[-1].shape == (1, 768, side, side)


def test_a_resnet_starts_as_torchvisions():
    config = shipped.read('configs/dino/dino_resnet50_8xb64-coslr-100e_in1k.py')
    network = MODELS.build(config.model.backbone)
    network.init_weights()
    block = network.layer1[1]
    assert bool((block.bn3.weight == 1).all())
    fan_out = block.conv2.weight[:, 0].numel()
    expected = math.sqrt(2 / fan_out)
    assert float(block.conv2.weight.detach().std()) == pytest.approx(expected, rel=0.05)


def test_timm_vit_trains(tmp_path, data):
    """A backbone that no config ships, in the place of another."""
    config = shipped.read('configs/dino/dino_xcit-small-12-p16_16xb64-coslr-300e_in1k.py')
    shipped.shrink(config, data / 'few')
    config.model.backbone.update(model_name='vit_tiny_patch16_224', dynamic_img_size=True)
    trained(config, tmp_path / 'work')
