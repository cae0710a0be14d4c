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

from dinomm.engine import DINOOptimWrapper, TeacherEMAHook
from dinomm.engine.schedules import Clock, TeacherTemperature
from dinomm.learning_rate import scale_lr
from dinomm.registry import HOOKS, MODELS, OPTIMIZERS, PARAM_SCHEDULERS

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
    sizes=(224, 96),
    sync_bn=None,
    rule='linear',
    clip_per='parameter',
    layer_decay=1.0,
    patch_embed_lr=1.0,
    epoch_steps=None,  # a pass over the data set
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
IBOT = dict(
    BOOSTED, epochs=800, prototypes=8192, global_scale=(0.25, 1.0), local=(10, (0.05, 0.25))
)
IBOT_SWIN = dict(IBOT, epochs=300, patch=None)
IBOT_VIT_B = dict(VIT_B, prototypes=8192, global_scale=(0.32, 1.0), local=(10, (0.05, 0.32)))
# rates of DINOv2 are for 1024 images
DINOV2 = dict(
    WARMER,
    rule='sqrt',
    batch=2048,
    lr=0.004,
    layer_decay=0.9,
    patch_embed_lr=0.2,
    clip_per='part',
    epoch_steps=1250,
    momentum=(0.992, 1.0),
    drop_path=0.3,
    global_scale=(0.32, 1.0),
    local=(8, (0.05, 0.32)),
)
DINOV2_LONG = dict(
    DINOV2,
    batch=3072,
    lr=2e-4,
    epochs=500,
    warmup=80,
    weight_decay=(0.04, 0.2),
    momentum=(0.994, 1.0),
    layer_decay=1.0,
    prototypes=131072,
    centering='sinkhorn',
    patch=14,
    drop_path=0.4,
    sizes=(224, 98),
)
# all schedules in 10,000 steps: 80 and 30 of 500 epochs become 1.28 and .48 of 8
DINOV2_518 = dict(
    DINOV2_LONG,
    batch=768,
    lr=2e-5,
    epochs=8,
    warmup=1.28,
    temperature=(0.04, 0.07, 0.48),
    freeze=0,
    sizes=(518, 224),
)
DINOV2_CONTINUE = dict(
    DINOV2_LONG,
    batch=512,
    lr=1e-4,
    epochs=30,
    warmup=3,
    layer_decay=0.9,
    momentum=(0.996, 1.0),
    prototypes=65536,
    drop_path=0.1,
    temperature=(0.04, 0.07, 10),
    epoch_steps=None,
)
DINOV3 = dict(
    DINOV2,
    lr=2e-4,
    min_lr=None,  # the rate stays
    weight_decay=(0.04, 0.04),
    momentum=(0.994, 0.994),
    layer_decay=0.98,
    centering='sinkhorn',
)

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
    'esvit_swin-tiny-w7-sinkhorn-koleo_16xb32-coslr-300e_in1k': dict(ESVIT, centering='sinkhorn'),
    'ibot_vit-small-p16_16xb64-coslr-800e_in1k': IBOT,
    'ibot_vit-base-p16_32xb32-coslr-400e_in1k': IBOT_VIT_B,
    'ibot_vit-base-p16-random-mask_32xb32-coslr-400e_in1k': IBOT_VIT_B,
    'ibot_swin-tiny-w7_16xb64-coslr-300e_in1k': IBOT_SWIN,
    'ibot_swin-tiny-w14_40xb26-coslr-300e_in1k': dict(IBOT_SWIN, batch=1040),
    'dinov2_vit-large-p16_32xb64-coslr-100e_in1k': DINOV2,
    'dinov2_vit-large-p16-rotary-gram_32xb64-constlr-100e_in1k': DINOV3,
    'dinov2_vit-large-p14_96xb32-coslr-500e_in22k': DINOV2_LONG,
    'dinov2_vit-large-p14-reg4_96xb32-coslr-500e_in22k': DINOV2_LONG,
    'dinov2_vit-base-p14_48xb64-coslr-500e_in22k': DINOV2_LONG,
    'dinov2_vit-small-p14_24xb128-coslr-500e_in22k': DINOV2_LONG,
    'dinov2_vit-large-p14-518px_96xb8-coslr-8e_in22k': DINOV2_518,
    'dinov2_vit-small-p14-518px_24xb32-coslr-8e_in22k': DINOV2_518,
    'dinov2_vit-small-p14-continue_8xb64-coslr-30e_in1k': DINOV2_CONTINUE,
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
PATHS = {Path(path).stem: path for path in shipped.CONFIGS if re.search(r'_in\d+k\.py$', path)}


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


def peak_of(recipe) -> float:
    """The largest rate of a recipe."""
    if recipe['rule'] == 'sqrt':
        return recipe['lr'] * math.sqrt(recipe['batch'] / 1024)
    return recipe['lr'] * recipe['batch'] / 256


@pytest.mark.parametrize('name', PATHS)
def test_rates(name):
    recipe = DEFAULTS | RECIPES[name]
    config = shipped.read(PATHS[name])
    rates, decays, undecayed = walk(config)
    steps, warmup = recipe['epochs'] * STEPS, int(recipe['warmup'] * STEPS)
    peak = peak_of(recipe)
    assert len(rates) == steps
    assert rates[0] == pytest.approx(0, abs=1e-8 * peak)
    assert max(rates) == pytest.approx(peak)
    assert rates[warmup - 1] == pytest.approx(peak) and rates[warmup] == pytest.approx(peak)
    assert rates[:warmup] == sorted(rates[:warmup])
    falling = steps - warmup
    for step in (1, falling // 2, falling - 1):
        least = peak if recipe['min_lr'] is None else recipe['min_lr']
        expected = half_cosine(peak, least, step, falling)
        assert rates[warmup + step] == pytest.approx(expected, rel=1e-5)
    for step in (0, steps // 2, steps - 1):
        expected = half_cosine(*recipe['weight_decay'], step, steps)
        assert decays[step] == pytest.approx(expected, rel=1e-6)
    assert not any(undecayed)


def resolved(config) -> dict:
    """What the rest of a config means, in the words of the recipes."""
    wrapper, head, backbone = config.optim_wrapper, config.model.heads.view, config.model.backbone
    views = config.train_dataloader.dataset.pipeline[1].views
    assert [view.get('num', 1) for view in views[:2]] == [1, 1]
    assert views[0].scale == views[1].scale
    clip = DINOOptimWrapper(
        torch.optim.SGD([torch.ones(1, requires_grad=True)], 1.0), wrapper.clip_grad
    )
    teacher = HOOKS.build(config.custom_hooks[0])
    assert isinstance(teacher, TeacherEMAHook)
    temperature = TeacherTemperature.build(head.teacher_temp)
    epochs, batch = config.train_cfg.max_epochs, config.auto_scale_lr.base_batch_size
    epoch_size = config.train_dataloader.sampler.get('epoch_size')
    assert views[0].size == views[1].size
    sizes = views[0].size, views[-1].size if len(views) > 2 else DEFAULTS['sizes'][1]
    paramwise = wrapper.get('paramwise_cfg') or {}
    return dict(
        batch=batch,
        epochs=epochs,
        epoch_steps=epoch_size and epoch_size / batch,
        rule=config.auto_scale_lr.get('rule', 'linear'),
        layer_decay=paramwise.get('layer_decay', 1.0),
        patch_embed_lr=paramwise.get('patch_embed_lr', 1.0),
        clip_per=clip.clip_per,
        sizes=sizes,
        optimizer=wrapper.optimizer.type,
        momentum_sgd=wrapper.optimizer.get('momentum'),
        clip=clip.max_norm,
        freeze=wrapper.freeze_last_layer,
        momentum=(teacher.momentum_at(0, 10), teacher.momentum_at(10, 10)),
        temperature=(
            temperature.at(Clock(0, 1250)),
            temperature.at(Clock((epochs - 1) * 1250, 1250)),
            temperature.warmup_epochs,
        ),
        prototypes=head.num_prototypes,
        fixed_length=head.fixed_length,
        batch_norm=head.get('batch_norm', False),
        centering=head.centering.get('momentum', 'sinkhorn'),
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
    koleo = ['koleo'] if 'koleo' in name else []
    assert list(config.model.heads) == ['view', 'region', *koleo]
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


# what masks, heads and backbone have besides; iBOT's smallest block is (min(h, w) // 3) ** 2 cells
MASKS = dict(share=0.5, ratio=(0.1, 0.5), shape='block', min_cells=4, exact=False, start_epoch=0)
NO_MORE = dict(
    koleo=None,
    gram=None,
    by_step=False,
    patch_temp_from=0,
    bottlenecks=(256, 256),
    registers=0,
    positions=(0.1, False),
    ffn=None,
)
OF_IBOT = dict(NO_MORE, masks=dict(MASKS, min_cells=(14 // 3) ** 2), tied=True)
OF_SWIN = dict(
    OF_IBOT,
    masks=dict(MASKS, min_cells=(7 // 3) ** 2, start_epoch=50),
    patch_temp_from=50,
)
OF_SHORT = dict(NO_MORE, masks=MASKS, tied=True, koleo=0.1, by_step=True)
OF_LONG = dict(OF_SHORT, tied=False, bottlenecks=(384, 256), ffn='swiglu_fused')
OF_DISTILLED = dict(OF_LONG, ffn=None)
OBJECTIVES = {
    'ibot_vit-small-p16': OF_IBOT,
    'ibot_vit-base-p16': OF_IBOT,
    'ibot_vit-base-p16-random-mask': dict(
        OF_IBOT, masks=dict(OF_IBOT['masks'], shape='random', ratio=(0.65, 0.75))
    ),
    'ibot_swin-tiny-w7': OF_SWIN,
    'ibot_swin-tiny-w14': OF_SWIN,
    'dinov2_vit-large-p16': OF_SHORT,
    'dinov2_vit-large-p16-rotary-gram': dict(
        OF_SHORT, masks=dict(MASKS, exact=True), tied=False, gram=2.0, registers=4
    ),
    'dinov2_vit-large-p14': OF_LONG,
    'dinov2_vit-large-p14-518px': OF_LONG,
    'dinov2_vit-large-p14-reg4': dict(OF_LONG, registers=4, positions=(0.0, True)),
    'dinov2_vit-base-p14': OF_DISTILLED,
    'dinov2_vit-small-p14': OF_DISTILLED,
    'dinov2_vit-small-p14-518px': OF_DISTILLED,
    'dinov2_vit-small-p14-continue': dict(OF_DISTILLED, bottlenecks=(256, 256)),
}


def objectives(model) -> dict:
    """A config's model in the words of :data:`OBJECTIVES`."""
    heads, backbone = model.heads, model.backbone
    masking, patch = MODELS.build(model.masking), heads.patch
    temperature = TeacherTemperature.build(patch.teacher_temp)
    return dict(
        masks={key: getattr(masking, key) for key in MASKS},
        tied=patch.get('tied_to') == 'view',
        koleo=heads.get('koleo', {}).get('loss_weight'),
        gram=heads.get('gram', {}).get('loss_weight'),
        by_step=temperature.by_step,
        patch_temp_from=temperature.start_epoch,
        bottlenecks=(heads.view.bottleneck_channels, patch.bottleneck_channels),
        registers=backbone.get('num_registers', 0),
        positions=(
            backbone.get('position_offset', 0.1),
            backbone.get('position_antialias', False),
        ),
        ffn=(backbone.get('layer_cfgs') or {}).get('ffn_type'),
    )


@pytest.mark.parametrize('name', [name for name in PATHS if name.startswith(('ibot', 'dinov2'))])
def test_objectives_of_ibot_and_dinov2(name):
    config = shipped.read(PATHS[name])
    view, patch = config.model.heads.view, config.model.heads.patch
    assert objectives(config.model) == OBJECTIVES[re.match(r'[^_]*_[^_]*', name)[0]]
    assert view.type == 'DINOHead' and patch.type == 'MaskedPatchHead'
    assert view.get('loss_weight', 1.0) == patch.get('loss_weight', 1.0) == 1.0
    same = {'student_temp', 'num_prototypes', 'hidden_channels', 'fixed_length', 'centering'}
    assert {key: view[key] for key in same} == {key: patch[key] for key in same}
    temperatures = [TeacherTemperature.build(head.teacher_temp) for head in (view, patch)]
    assert temperatures[0] == temperatures[1]._replace(start_epoch=0)
    backbone = config.model.backbone
    assert backbone.mask_token
    if name.startswith('dinov2'):
        published = dict(
            layer_scale_init_value=1e-5,
            class_token_std=1e-6,
            drop_path_uniform=True,
            skip_dropped=True,
            pad_to_patch=False,
        )
        assert {key: backbone[key] for key in published} == published


@pytest.mark.parametrize('name', PATHS)
def test_name_tells_gpus_batch_and_epochs(name):
    end = re.search(r'_(\d+)xb(\d+)-.*?(\d+)e_in(?:1|22)k$', name)
    gpus, batch, epochs = map(int, end.groups())
    config = shipped.read(PATHS[name])
    assert config.train_dataloader.batch_size == batch
    assert config.auto_scale_lr.base_batch_size == gpus * batch
    assert config.train_cfg.max_epochs == epochs
    lr = config.optim_wrapper.optimizer.lr
    scale_lr(config, gpus)
    assert config.optim_wrapper.optimizer.lr == lr


SMALL_DATA = 'configs/dinov2/dinov2_vit-small-p16-small-data_1xb128-coslr-300e.py'


@pytest.mark.parametrize('path', [SMALL_DATA, 'configs/dinov2/quickstart_dinov2.py'])
def test_recipe_for_small_data(path):
    """What the ablation of docs/small_data.md kept, in both of its sizes."""
    config = shipped.read(path)
    view, patch, koleo = config.model.heads.values()
    assert koleo == dict(type='KoLeoHead', loss_weight=0.1)
    assert dict(patch, type='DINOHead') == view
    assert view.batch_norm and view.fixed_length
    assert view.centering == dict(type='MeanCentering', momentum=0.9)
    masks = dict(type='PatchMasking', share=0.25, ratio=(0.1, 0.5))
    assert {key: config.model.masking[key] for key in masks} == masks
    rates, decays, _ = walk(config)
    assert max(rates) == pytest.approx(config.optim_wrapper.optimizer.lr)
    assert set(decays) == {0.04}


def test_rate_and_teacher_of_a_small_batch():
    config = shipped.read(SMALL_DATA)
    assert config.optim_wrapper.optimizer.lr == 5e-4 * 128 / 256
    assert config.train_dataloader.batch_size == config.auto_scale_lr.base_batch_size == 128
    assert HOOKS.build(config.custom_hooks[0]).momentum == 0.9995
