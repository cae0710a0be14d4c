"""The shipped configs against the published recipes: what training would use, not what is written.

The rates are walked through the schedulers step by step, so that an inheritance that goes wrong, or
a schedule that ends too early, shows.
"""

import copy
import math
import re
from pathlib import Path

import pytest
import torch

from dinomm import launch
from dinomm.engine import DINOOptimWrapper, TeacherEMAHook
from dinomm.engine.schedules import Clock, TeacherTemperature
from dinomm.registry import HOOKS, OPTIMIZERS, PARAM_SCHEDULERS

from . import shipped

STEPS = 2  # an epoch

# the published code's defaults, for 8 GPUs; lr is per 256 images
DEFAULTS = dict(
    batch=512,
    epochs=100,
    optimizer='AdamW',
    momentum_sgd=None,
    lr=5e-4,
    min_lr=1e-6,
    warmup=10,
    weight_decay=(0.04, 0.4),
    clip=3.0,
    freeze=1,
    momentum=(0.996, 1.0),
    temperature=(0.04, 0.04, 0),
    prototypes=65536,
    fixed_length=True,
    batch_norm=False,
    centering=0.9,
    patch=16,
    drop_path=0.1,
    global_scale=(0.4, 1.0),
    local=(8, (0.05, 0.4)),
    sync_bn=None,
)
WARMER = dict(temperature=(0.04, 0.07, 30), fixed_length=False)
BOOSTED = dict(WARMER, batch=1024, epochs=300)
RELEASED = dict(
    BOOSTED,
    epochs=800,
    min_lr=1e-5,
    clip=None,
    global_scale=(0.25, 1.0),
    local=(10, (0.05, 0.25)),
)
VIT_B = dict(
    RELEASED,
    epochs=400,
    lr=7.5e-4,
    min_lr=2e-6,
    clip=0.3,
    freeze=3,
    fixed_length=True,
    temperature=(0.04, 0.07, 50),
)
# a weight decay that stays, and networks without drop path and patches
RESNET = dict(
    optimizer='SGD',
    momentum_sgd=0.9,
    lr=0.03,
    weight_decay=(1e-4, 1e-4),
    global_scale=(0.14, 1.0),
    local=(8, (0.05, 0.14)),
    patch=None,
    drop_path=None,
    sync_bn='torch',
)
RESNET_800 = dict(
    RESNET,
    batch=4080,
    epochs=800,
    optimizer='LARS',
    lr=0.3,
    min_lr=0.0048,
    weight_decay=(1e-6, 1e-6),
    clip=None,
    prototypes=60000,
    batch_norm=True,
    temperature=(0.04, 0.07, 50),
    local=(6, (0.05, 0.14)),
)
XCIT = dict(BOOSTED, patch=None, sync_bn='torch')
NO_MULTI_CROP = dict(BOOSTED, clip=None, min_lr=1e-5, global_scale=(0.14, 1.0), local=None)
ESVIT = dict(WARMER, epochs=300, patch=None)
LARGER = dict(ESVIT, drop_path=0.2)
ESVIT_RESNET = dict(ESVIT, batch=1024, drop_path=None, sync_bn='torch')

RECIPES = {
    'dino_vit-small-p16_8xb64-coslr-100e_in1k': {},
    'dino_vit-small-p16_16xb64-coslr-300e_in1k': BOOSTED,
    'dino_vit-small-p16_16xb64-coslr-800e_in1k': RELEASED,
    'dino_vit-small-p8_64xb16-coslr-800e_in1k': dict(RELEASED, patch=8),
    'dino_vit-base-p16_32xb32-coslr-400e_in1k': VIT_B,
    'dino_vit-base-p8_64xb16-coslr-400e_in1k': dict(VIT_B, patch=8),
    'dino_resnet50_8xb64-coslr-100e_in1k': RESNET,
    'dino_resnet50_80xb51-coslr-800e_in1k': RESNET_800,
    'dino_swin-tiny-w7_16xb32-coslr-300e_in1k': dict(WARMER, epochs=300, patch=None),
    'dino_xcit-small-12-p16_16xb64-coslr-300e_in1k': XCIT,
    'dino_xcit-small-12-p8_64xb16-coslr-300e_in1k': XCIT,
    'dino_xcit-medium-24-p16_32xb32-coslr-300e_in1k': XCIT,
    'dino_xcit-medium-24-p8_64xb16-coslr-300e_in1k': XCIT,
    # EsViT, each network for the view task, both tasks and two phases
    **{
        f'esvit_{network}{phase}_{batch}-coslr-300e_in1k': recipe
        for network, batch, recipe in (
            ('swin-tiny-w7', '16xb32', ESVIT),
            ('swin-tiny-w14', '16xb32', ESVIT),
            ('swin-small-w7', '16xb32', LARGER),
            ('swin-small-w14', '32xb16', LARGER),
            ('swin-base-w7', '16xb32', LARGER),
            ('swin-base-w14', '64xb8', LARGER),
        )
        for phase in ('-view', '', '-continue')
        if (network, phase) != ('swin-tiny-w7', '-view')
    },
    'esvit_swin-base-w14-continue_64xb8-coslr-300e_in1k': dict(LARGER, fixed_length=True),
    'esvit_resnet50-view_16xb64-coslr-300e_in1k': ESVIT_RESNET,
    'esvit_resnet50_16xb64-coslr-300e_in1k': ESVIT_RESNET,
    'esvit_pvt-v2-b2-view_16xb64-coslr-300e_in1k': dict(ESVIT, batch=1024),
    'esvit_pvt-v2-b2_16xb64-coslr-300e_in1k': dict(ESVIT, batch=1024),
    'esvit_vit-small-p16_16xb64-coslr-300e_in1k': BOOSTED,
    # ablations
    'dino_vit-small-p16_8xb64-temp-hard-coslr-100e_in1k': dict(temperature=(0, 0, 0)),
    'dino_vit-small-p16_8xb64-temp-02-coslr-100e_in1k': dict(temperature=(0.02, 0.02, 0)),
    'dino_vit-small-p16_8xb64-temp-06-coslr-100e_in1k': dict(temperature=(0.06, 0.06, 0)),
    'dino_vit-small-p16_8xb64-temp-08-coslr-100e_in1k': dict(temperature=(0.08, 0.08, 0)),
    'dino_vit-small-p16_8xb64-temp-04-07-coslr-100e_in1k': dict(temperature=(0.04, 0.07, 30)),
    'dino_vit-small-p16_8xb64-no-centering-coslr-100e_in1k': dict(centering=1.0),
    'dino_vit-small-p16_16xb64-no-momentum-coslr-300e_in1k': dict(BOOSTED, momentum=(0.0, 0.0)),
    'dino_vit-small-p8_16xb64-coslr-300e_in1k': dict(BOOSTED, patch=8),
    'dino_vit-small-p16_16xb64-2x224-coslr-300e_in1k': NO_MULTI_CROP,
    'dino_vit-small-p16_16xb64-2x224-coslr-100e_in1k': dict(NO_MULTI_CROP, epochs=100),
    'dino_vit-small-p16_8xb64-2x224-coslr-100e_in1k': dict(NO_MULTI_CROP, epochs=100, batch=512),
    'dino_vit-small-p16_8xb32-2x224-coslr-100e_in1k': dict(NO_MULTI_CROP, epochs=100, batch=256),
    'dino_vit-small-p16_8xb16-2x224-coslr-100e_in1k': dict(NO_MULTI_CROP, epochs=100, batch=128),
    'dino_vit-small-p16_16xb64-2x224-10x96-coslr-100e_in1k': dict(RELEASED, epochs=100),
    'dino_vit-small-p16_16xb64-2x224-6x96-coslr-100e_in1k': dict(
        RELEASED, epochs=100, local=(6, (0.05, 0.25))
    ),
    'dino_vit-small-p16_16xb64-2x224-2x96-coslr-100e_in1k': dict(
        RELEASED, epochs=100, local=(2, (0.05, 0.25))
    ),
}
PATHS = {Path(path).stem: path for path in shipped.CONFIGS if 'quickstart' not in path}


def walk(config):
    """Rate and weight decay of the decayed parameters and weight decay of the others, step by step.

    The schedulers are built as the Runner builds them.
    """
    options = dict(config.optim_wrapper.optimizer)
    groups = [
        {'params': [torch.nn.Parameter(torch.ones(1))]},
        {'params': [torch.nn.Parameter(torch.ones(1))], 'weight_decay': 0.0},
    ]
    wrapper = DINOOptimWrapper(OPTIMIZERS.build({**options, 'params': groups}))
    epochs = config.train_cfg.max_epochs
    schedulers = []
    for scheduler in copy.deepcopy(config.param_scheduler):
        scheduler.setdefault('end', epochs)
        building = dict(optimizer=wrapper, epoch_length=STEPS)
        schedulers.append(PARAM_SCHEDULERS.build(scheduler, default_args=building))
    rates, decays, undecayed = [], [], []
    for _ in range(epochs * STEPS):
        decayed, others = wrapper.optimizer.param_groups
        rates.append(decayed['lr'])
        decays.append(decayed['weight_decay'])
        undecayed.append(others['weight_decay'])
        assert others['lr'] == decayed['lr']
        for scheduler in schedulers:
            scheduler.step()
    return rates, decays, undecayed


def half_cosine(start, end, step, steps):
    return end + (start - end) * (1 + math.cos(math.pi * step / steps)) / 2


@pytest.mark.parametrize('name', PATHS)
def test_rates(name):
    recipe = DEFAULTS | RECIPES[name]
    config = shipped.read(PATHS[name])
    rates, decays, undecayed = walk(config)
    steps, warmup = recipe['epochs'] * STEPS, recipe['warmup'] * STEPS
    peak = recipe['lr'] * recipe['batch'] / 256
    assert len(rates) == steps
    assert rates[0] == pytest.approx(0, abs=1e-8 * peak)
    assert max(rates) == pytest.approx(peak)
    assert rates[warmup - 1] == pytest.approx(peak) and rates[warmup] == pytest.approx(peak)
    assert rates[:warmup] == sorted(rates[:warmup])
    falling = steps - warmup
    for step in (1, falling // 2, falling - 1):
        expected = half_cosine(peak, recipe['min_lr'], step, falling)
        assert rates[warmup + step] == pytest.approx(expected, rel=1e-5)
    for step in (0, steps // 2, steps - 1):
        expected = half_cosine(*recipe['weight_decay'], step, steps)
        assert decays[step] == pytest.approx(expected, rel=1e-6)
    assert not any(undecayed)


def resolved(config) -> dict:
    """What the rest of a config means, in the words of the recipes."""
    wrapper, head, backbone = config.optim_wrapper, config.model.heads.view, config.model.backbone
    views = config.train_dataloader.dataset.pipeline[1].views
    assert [view.size for view in views] == [224, 224, 96][: len(views)]
    assert [view.get('num', 1) for view in views[:2]] == [1, 1]
    assert views[0].scale == views[1].scale
    clip = DINOOptimWrapper(
        torch.optim.SGD([torch.ones(1, requires_grad=True)], 1.0), wrapper.clip_grad
    )
    assert clip.clip_per == 'parameter'
    teacher = HOOKS.build(config.custom_hooks[0])
    assert isinstance(teacher, TeacherEMAHook)
    temperature = TeacherTemperature.build(head.teacher_temp)
    epochs = config.train_cfg.max_epochs
    return dict(
        batch=config.auto_scale_lr.base_batch_size,
        epochs=epochs,
        optimizer=wrapper.optimizer.type,
        momentum_sgd=wrapper.optimizer.get('momentum'),
        clip=clip.max_norm,
        freeze=wrapper.freeze_last_layer,
        momentum=(teacher.momentum_at(0, 10), teacher.momentum_at(10, 10)),
        temperature=(
            temperature.at(Clock(0, 1)),
            temperature.at(Clock(epochs - 1, 1)),
            temperature.warmup_epochs,
        ),
        prototypes=head.num_prototypes,
        fixed_length=head.fixed_length,
        batch_norm=head.get('batch_norm', False),
        centering=head.centering.momentum,
        patch=backbone.get('patch_size'),
        drop_path=backbone.get('drop_path_rate'),
        global_scale=views[0].scale,
        local=(views[2].num, views[2].scale) if len(views) > 2 else None,
        sync_bn=config.get('sync_bn'),
    )


@pytest.mark.parametrize('name', PATHS)
def test_everything_else(name):
    recipe = DEFAULTS | RECIPES[name]
    expected = {
        key: value
        for key, value in recipe.items()
        if key not in ('lr', 'min_lr', 'warmup', 'weight_decay')
    }
    config = shipped.read(PATHS[name])
    assert resolved(config) == expected
    assert config.model.heads.view.student_temp == 0.1
    assert config.optim_wrapper.type == 'DINOOptimWrapper'
    assert config.optim_wrapper.constructor == 'TwoGroupConstructor'


ESVITS = [name for name in PATHS if name.startswith('esvit_')]


@pytest.mark.parametrize('name', ESVITS)
def test_tasks_of_esvit(name):
    """The region head is the view's, with centre and prototypes of its own, and half the loss."""
    config = shipped.read(PATHS[name])
    view, region = config.model.heads.view, config.model.heads.get('region')
    if '-view_' in name:
        assert list(config.model.heads) == ['view'] and view.get('loss_weight', 1.0) == 1.0
        return
    assert list(config.model.heads) == ['view', 'region']
    assert region.type == 'RegionMatchingHead' and view.type == 'DINOHead'
    assert dict(region, type='DINOHead') == view
    assert region.loss_weight == 0.5


@pytest.mark.parametrize('name', ESVITS)
def test_phases_of_esvit(name):
    hooks = shipped.read(PATHS[name]).custom_hooks
    if '-continue_' not in name:
        assert len(hooks) == 1 and 'allow_missing' not in hooks[0]
        return
    assert hooks[0].allow_missing == ['heads.region.']
    assert HOOKS.build(hooks[1]).schedules == 'continue'


@pytest.mark.parametrize('name', PATHS)
def test_name_tells_gpus_batch_and_epochs(name):
    gpus, batch, epochs = map(int, re.search(r'_(\d+)xb(\d+)-.*?(\d+)e_in1k$', name).groups())
    config = shipped.read(PATHS[name])
    assert config.train_dataloader.batch_size == batch
    assert config.auto_scale_lr.base_batch_size == gpus * batch
    assert config.train_cfg.max_epochs == epochs
    lr = config.optim_wrapper.optimizer.lr
    launch.scale_lr(config, gpus)
    assert config.optim_wrapper.optimizer.lr == lr
