"""Every shipped config: built at full size, and a few steps at small size."""

import ast
import math
import re
from pathlib import Path

import pytest
import torch
from mmengine.model import convert_sync_batchnorm
from torch import nn

from dinomm import launch
from dinomm.models.centering import MeanCentering
from dinomm.registry import MODELS

from . import shipped, tiny

# millions of parameters of backbone and of heads with prototypes of their own at full size, by the
# beginning of the file's name; published: 21 M, 85 M and 300 M for ViT-S, ViT-B and ViT-L, 23 M for
# ResNet-50, 28 M, 49 M and 87 M for Swin-T, Swin-S and Swin-B, 26 M and 84 M for XCiT-S12 and
# XCiT-M24
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
    'esvit_swin-tiny-w7': (27.52, 23.14),
    'esvit_swin-tiny-w14': (27.57, 23.14),
    'esvit_swin-small-w7': (48.84, 23.14),
    'esvit_swin-small-w14': (48.97, 23.14),
    'esvit_swin-base-w7': (86.74, 23.66),
    'esvit_swin-base-w14': (86.92, 23.66),
    'esvit_resnet50': (23.51, 25.76),
    'esvit_vit-small-p16': (21.67, 22.35),
    'esvit_pvt-v2-b2': (24.85, 22.61),
    'ibot_vit-small-p16': (21.67, 7.61),
    'ibot_vit-base-p16': (85.80, 8.40),
    'ibot_swin-tiny-w7': (27.52, 8.40),
    'ibot_swin-tiny-w14': (27.57, 8.40),
    # 2048 x (C + 1 + 2049) + 2049 D + K (D + 1), D 384 for views and 256 for patches
    'dinov2_vit-small-p14_': (21.63, dict(view=56.23, patch=39.19)),
    'dinov2_vit-small-p14-518px': (22.06, dict(view=56.23, patch=39.19)),
    'dinov2_vit-small-p14-continue': (22.06, 22.35),
    'dinov2_vit-base-p14': (85.73, dict(view=57.02, patch=39.98)),
    'dinov2_vit-large-p14_': (303.66, dict(view=57.55, patch=40.51)),
    'dinov2_vit-large-p14-reg4': (303.66, dict(view=57.55, patch=40.51)),
    'dinov2_vit-large-p14-518px': (304.79, dict(view=57.55, patch=40.51)),
    'dinov2_vit-large-p16_': (303.35, 23.66),
    'dinov2_vit-large-p16-rotary-gram': (303.15, 23.66),
    'dinov2_vit-small-p16-small-data': (21.67, 7.62),
    'quickstart_digits': (0.47, 0.17),
    'quickstart_dinov2': (0.46, 0.17),
    'quickstart_photos': (0.52, 0.17),
    'quickstart_swin': (0.30, 0.17),
}


def is_batch_norm(module) -> bool:
    return isinstance(module, nn.modules.batchnorm._BatchNorm)


def parameters(module) -> float:
    """In millions."""
    return sum(parameter.numel() for parameter in module.parameters()) / 1e6


def head_parameters(model) -> dict[str, float]:
    """In millions, of the heads that have some; the others are tied, or need none."""
    counts = {name: parameters(head) for name, head in model.heads.items()}
    without = {name for name, count in counts.items() if not count}
    tied = {name for name, head in model.heads.items() if getattr(head, 'tied_to', None)}
    assert without == tied | {'koleo', 'gram'} & {*counts}
    return {name: count for name, count in counts.items() if count}


@pytest.mark.parametrize('path', shipped.CONFIGS)
def test_full_size(path):
    stem = path.split('/')[-1]
    (expected,) = (sizes for name, sizes in PARAMETERS.items() if stem.startswith(name))
    config = shipped.read(path)
    model = shipped.build_without_memory(config.model)
    assert parameters(model.backbone) == pytest.approx(expected[0], abs=0.01)
    assert head_parameters(model) == pytest.approx(
        {
            name: expected[1][name] if isinstance(expected[1], dict) else expected[1]
            for name in head_parameters(model)
        },
        abs=0.01,
    )
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
    if not re.search(r'_in\d+k\.py$', path):  # of one GPU, on images of one's own
        return
    assert f'{path} ' in text
    config, accumulate = shipped.read(path), 'optim_wrapper.accumulative_counts='
    counts = int(text.partition(accumulate)[2].split()[0])
    batch = config.train_dataloader.batch_size * counts
    assert batch == config.auto_scale_lr.base_batch_size


def trained(config, work_dir, steps=4):
    """The Runner after the run, which performed the last ``steps`` of four."""
    config.work_dir = str(work_dir)
    # of its own: mmengine shares a log between runs of one name that start in the same second
    config.experiment_name = f'{work_dir.parent.name}-{work_dir.name}'
    runner = launch.build_runner(config)
    before = [parameter.clone() for parameter in runner.model.parameters()]
    runner.train()
    assert runner.optim_wrapper.steps == runner.iter == 4
    losses = tiny.logged(work_dir)
    assert len(losses) == steps and all(0 < loss < 20 for loss in losses)
    after = list(runner.model.parameters())
    assert all(torch.isfinite(parameter).all() for parameter in after)
    assert any(not torch.equal(a, b) for a, b in zip(after, before, strict=True))
    return runner


def check_trained(runner, path):
    """The student moved, the teacher followed, every centre moved, every parameter learned."""
    student, teacher = runner.model, runner.model.teacher
    same = [
        torch.equal(a, b)
        for a, b in zip(student.parameters(), teacher.parameters(), strict=True)
        if a.requires_grad
    ]
    assert all(same) if 'no-momentum' in path else not all(same)
    for head in student.heads.values():
        if isinstance(getattr(head, 'centering', None), MeanCentering):
            assert head.centering.center.any() == ('no-centering' not in path)
    # every parameter has had a gradient, else DDP would wait for it
    optimizer = runner.optim_wrapper.optimizer
    assert all(p in optimizer.state for group in optimizer.param_groups for p in group['params'])


CONTINUED = [path for path in shipped.CONFIGS if re.search('-continue_|-518px_', path)]


@pytest.mark.parametrize('path', [path for path in shipped.CONFIGS if path not in CONTINUED])
def test_steps_at_small_size(path, tmp_path, data):
    config = shipped.read(path)
    shipped.shrink(config, data / 'few')
    runner = trained(config, tmp_path / 'work')
    check_trained(runner, path)
    for head in runner.model.heads:
        values = tiny.logged(tmp_path / 'work', f'loss_{head}')
        zeros = [value == 0 for value in values]
        # what begins late has no part in the first epoch
        late = head == 'gram' or (head == 'patch' and config.model.masking.get('start_epoch'))
        assert zeros == ([True, True, False, False] if late else [False] * 4), (head, values)


def first_phase(path):
    """The config that the docstring of a second phase's config names."""
    text = ast.get_docstring(ast.parse((tiny.ROOT / path).read_text()))
    (first,) = re.findall(r'view task alone, by\s(\S+\.py)', text)
    assert f'work_dirs/{Path(first).stem}/epoch_' in text
    return first


@pytest.mark.parametrize(
    'path',
    [
        pytest.param(path, marks=[] if re.search('tiny-w7|base-w14', path) else pytest.mark.slow)
        for path in CONTINUED
        if 'esvit' in path
    ],
)
def test_second_phase_at_small_size(path, tmp_path, data):
    first, second = shipped.read(first_phase(path)), shipped.read(path)
    for config in (first, second):
        shipped.shrink(config, data / 'few')
        views = config.train_dataloader.dataset.pipeline[1].views
        for view, size in zip(views, (64, 64, 32), strict=True):
            view.size = size
    trained(first, tmp_path / 'first')
    second.load_from = str(tmp_path / 'first/epoch_1.pth')
    second.custom_hooks[1].freeze_last_layer = 0
    check_trained(trained(second, tmp_path / 'second', steps=2), path)


@pytest.mark.parametrize('path', [path for path in CONTINUED if '-518px_' in path])
def test_high_resolution_at_small_size(path, tmp_path, data):
    """It goes on from the run that its docstring names, whose positions are of fewer patches."""
    text = ast.get_docstring(ast.parse((tiny.ROOT / path).read_text()))
    (before,) = re.findall(r'run at 224 px, by\s(\S+\.py)', text)
    assert f'load_from=work_dirs/{Path(before).stem}/epoch_500.pth' in text
    first, second = shipped.read(before), shipped.read(path)
    sizes = [config.model.backbone.img_size for config in (first, second)]
    assert sizes == [224, 518]
    for config, size in zip((first, second), (28, 56), strict=True):
        shipped.shrink(config, data / 'few')
        config.model.backbone.img_size = size  # two patches, four patches
    low = trained(first, tmp_path / 'first').model
    second.load_from = str(tmp_path / 'first/epoch_2.pth')
    runner = trained(second, tmp_path / 'second')
    check_trained(runner, path)
    high = runner.model
    assert high.backbone.pos_embed.shape[1] == 17 and low.backbone.pos_embed.shape[1] == 5
    # four steps of a small rate from where the first run was, not from new weights
    weights = low.backbone.layers[0].attn.qkv.weight, high.backbone.layers[0].attn.qkv.weight
    assert torch.allclose(*weights, atol=1e-3)


def test_going_on_from_released_weights_at_small_size(tmp_path, data):
    (path,) = [path for path in CONTINUED if 'dinov2' in path and '-continue_' in path]
    config = shipped.read(path)
    assert config.custom_hooks[1].backbone == 'dinov2_vits14_pretrain.pth'
    shipped.shrink(config, data / 'few')
    released = MODELS.build({**config.model.backbone, 'mask_token': False})
    released.init_weights()
    torch.save(released.state_dict(), tmp_path / 'released.pth')
    config.custom_hooks[1].backbone = str(tmp_path / 'released.pth')
    runner = trained(config, tmp_path / 'work')
    check_trained(runner, path)
    moved = runner.model.backbone.state_dict()
    for name, weight in released.state_dict().items():
        assert torch.allclose(weight, moved[name], atol=1e-3), name
    log = (tmp_path / 'work').rglob('*.log')
    assert 'drift/teacher_cosine' in next(log).read_text()


def test_the_view_task_of_swin_tiny_is_that_of_dino():
    """Two files describe this network."""
    base = shipped.read('configs/_base_/models/esvit_swin-tiny-w7.py').model
    dino = shipped.read('configs/dino/dino_swin-tiny-w7_16xb32-coslr-300e_in1k.py').model
    networks = [MODELS.build(model.backbone) for model in (base, dino)]
    assert str(networks[0]) == str(networks[1])
    assert base.backbone.init_cfg == dino.backbone.init_cfg
    assert dict(base.heads.view, loss_weight=1.0) == dict(dino.heads.view, loss_weight=1.0)


@pytest.mark.parametrize(
    'path',
    [
        'dino/dino_swin-tiny-w7_16xb32-coslr-300e_in1k.py',
        'esvit/esvit_swin-tiny-w14_16xb32-coslr-300e_in1k.py',
    ],
)
def test_every_stage_of_a_full_swin_takes_local_crops(path):
    """Their maps are smaller than the window; and the published initialisation arrives."""
    config = shipped.read(f'configs/{path}')
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
