from pathlib import Path

import mmpretrain
import pytest
import torch
from mmengine import Config
from mmpretrain.registry import TASK_UTILS

from dinomm.config_check import check_config, nearest

CONFIGS = Path(mmpretrain.__file__).parent / '.mim' / 'configs'
SHIPPED = sorted(
    file
    for folder in (
        'barlowtwins',
        'beit',
        'byol',
        'densecl',
        'dinov2',
        'efficientnet',
        'mae',
        'mocov3',
        'resnet',
        'simclr',
        'swav',
        'swin_transformer',
        'vision_transformer',
    )
    for file in (CONFIGS / folder).glob('*.py')
    if file.stem != 'resnet50_8xb32-cutmix_in1k'  # names a type that no longer exists
)[::3]

CONFIG = """
channels = 64
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=224, backend='pillow'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackInputs'),
]
dataset = dict(type='CustomDataset', data_root='data', pipeline=train_pipeline)
sampler = dict(type='DefaultSampler', shuffle=True)
train_dataloader = dict(
    batch_size=8, num_workers=2, persistent_workers=True, drop_last=True, dataset=dataset,
    sampler=sampler, collate_fn=dict(type='default_collate'))
train_cfg = dict(by_epoch=True, max_epochs=10, val_interval=1)
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNet', depth=18, norm_cfg=dict(type='BN', requires_grad=False),
                  init_cfg=[dict(type='Kaiming', layer='Conv2d'),
                            dict(type='Constant', val=1, layer='BatchNorm2d', override=dict(
                                name='conv1', type='Normal', std=.1))]),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=512,
              loss=dict(type='CrossEntropyLoss', loss_weight=1.0), topk=(1, 5)))
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, betas=(0.9, 0.95)),
    clip_grad=dict(type='value', clip_value=1.0),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, end=2, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', eta_min=1e-6, begin=2)]
val_dataloader = dict(batch_size=8, dataset=dataset, sampler=sampler)
val_cfg = dict(type='KNNLoop', support_dataloader=dict(batch_size=8, dataset=dataset))
val_evaluator = dict(type='KNNAccuracy', k=(10, 20))
default_hooks = dict(
    timer=dict(type='IterTimerHook'), logger=dict(type='LoggerHook', interval=10),
    checkpoint=dict(type='CheckpointHook', save_best='auto'), mine=dict(type='EMAHook'))
custom_hooks = [dict(type='EMAHook', momentum=0.004, priority='ABOVE_NORMAL')]
env_cfg = dict(cudnn_benchmark=True, mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
               dist_cfg=dict(backend='nccl'))
visualizer = dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')])
randomness = dict(seed=0, deterministic=False)
auto_scale_lr = dict(base_batch_size=256)
log_processor = dict(window_size=10)
default_scope = 'dinomm'
"""

DINO = {'type': 'SelfDistillation', 'backbone': {'type': 'ResNet', 'depth': 18}}


@pytest.fixture
def config(tmp_path):
    """Writes a config file with changes to the one above and reads it."""

    def build(changes=None, text=CONFIG):
        (tmp_path / 'config.py').write_text(text)
        cfg = Config.fromfile(tmp_path / 'config.py')
        for key, value in (changes or {}).items():
            whole = isinstance(value, dict)
            cfg.merge_from_dict({key: value | {'_delete_': True} if whole else value})
        return cfg

    return build


@pytest.mark.parametrize('file', SHIPPED, ids=lambda file: file.stem)
def test_no_false_alarm_in_mmpretrains_configs(file):
    cfg = Config.fromfile(file)
    cfg.setdefault('default_scope', 'mmpretrain')
    check_config(cfg)


def test_there_are_configs_to_walk():
    assert len(SHIPPED) > 30


def test_sound_config(config):
    check_config(config())


@pytest.mark.parametrize(
    ('changes', 'lines'),
    [
        ({'model.backbone.type': 'ResNett'}, ["model.backbone.type: 'ResNett'", "'ResNet'?"]),
        ({'model.backbone.type': 'resnet'}, ['model.backbone.type', "'ResNet'?"]),
        (
            {'model.backbone.type': 'mmpretrain.SwinTransfomer'},
            ['model.backbone.type', "'mmpretrain.SwinTransformer'?"],
        ),
        (
            {'model.backbone.type': 'mmpretran.SwinTransformer'},
            ['model.backbone.type', "'mmpretrain.SwinTransformer'?"],
        ),
        ({'model.head.loss.type': 'Qwertyuiop'}, ["model.head.loss.type: 'Qwertyuiop'"]),
        ({'model.backbone.dept': 18}, ["model.backbone.dept: ResNet takes no 'dept'", "'depth'?"]),
        (
            {'model.backbone.init_cfg': [{'type': 'Kaiming', 'layr': 'Conv2d'}]},
            ['model.backbone.init_cfg.0.layr', "'layer'?"],
        ),
        (
            {'train_dataloader.dataset.pipeline': [{'type': 'RandomFlip', 'probb': 1}]},
            ['train_dataloader.dataset.pipeline.0.probb', "'prob'?"],
        ),
        ({'train_dataloader.batchsize': 8}, ['train_dataloader.batchsize', "'batch_size'?"]),
        (
            {'val_cfg.support_dataloader.num_worker': 2},
            ['val_cfg.support_dataloader.num_worker', "'num_workers'?"],
        ),
        ({'train_dataloader.sampler.shufle': True}, ['sampler.shufle', "'shuffle'?"]),
        ({'train_cfg.max_epoch': 3}, ['train_cfg.max_epoch', "'max_epochs'?"]),
        ({'val_evaluator.temprature': 1}, ['val_evaluator.temprature', "'temperature'?"]),
        ({'optim_wrapper.clip_grads': {}}, ['optim_wrapper.clip_grads', "'clip_grad'?"]),
        ({'optim_wrapper.optimizer.beta': 0}, ['optim_wrapper.optimizer.beta', "'betas'?"]),
        (
            {'optim_wrapper.paramwise_cfg.norm_decay_mul': 0},
            ['optim_wrapper.paramwise_cfg.norm_decay_mul', "'norm_decay_mult'?"],
        ),
        (
            {'param_scheduler': [{'type': 'CosineAnnealingLR', 'eta_mim': 0}]},
            ['param_scheduler.0.eta_mim', "'eta_min'?"],
        ),
        ({'default_hooks.chekpoint': {}}, ['default_hooks.chekpoint', "'checkpoint'?"]),
        ({'default_hooks.healt': {'repeat': 3}}, ['default_hooks.healt', "'health'?"]),
        ({'default_hooks.own': {'repeat': 3}}, ['default_hooks.own: it has no type']),
        (
            {'custom_hooks': [{'type': 'TeacherEMAHook', 'momentm': 1}]},
            ['custom_hooks.0.momentm', "'momentum'?"],
        ),
        (
            {'model': {**DINO, 'heads': {'view': {'type': 'DINOHead'}, 'viev': {}}}},
            ["model.heads.viev: it has no type; did you mean 'view'?"],
        ),
        (
            {'train_dataloader.dataset.pipeline': [{'type': 'MultiCrop', 'views': [{'sise': 3}]}]},
            ['pipeline.0.views.0.sise', "'size'?"],
        ),
        (
            {
                'train_dataloader.dataset.pipeline': [
                    {'type': 'MultiCrop', 'views': [{'size': 3, 'blur': {'radus': 1}}]}
                ]
            },
            ['pipeline.0.views.0.blur.radus', "'radius'?"],
        ),
        (
            {'model': {**DINO, 'heads': {'v': {'type': 'DINOHead', 'teacher_temp': {'strat': 1}}}}},
            ['model.heads.v.teacher_temp.strat', "'start'?"],
        ),
        ({'default_hooks.checkpoint.save_bst': 'a'}, ['checkpoint.save_bst', "'save_best'?"]),
        ({'env_cfg.cudnn_benchmrk': True}, ['env_cfg.cudnn_benchmrk', "'cudnn_benchmark'?"]),
        ({'env_cfg.mp_cfg.opencv_threads': 0}, ['mp_cfg.opencv_threads', "'opencv_num_threads'?"]),
        ({'randomness.sed': 1}, ['randomness.sed', "'seed'?"]),
        ({'optim_wraper': {}}, ['optim_wraper: not a key of the Runner; did you mean']),
        ({'custom_hook': []}, ['custom_hook: not a key', "'custom_hooks'?"]),
    ],
)
def test_misspelling(config, changes, lines):
    with pytest.raises(ValueError) as caught:
        check_config(config(changes))
    assert 'config.py has a problem' in str(caught.value)
    for line in lines:
        assert line in str(caught.value)


def test_a_type_of_a_registry_that_dinomm_has_no_child_of(config, monkeypatch):
    monkeypatch.setitem(TASK_UTILS.module_dict, 'UniversalAssigner', dict)
    with pytest.raises(
        ValueError, match=r"visualizer\.type: .* mean 'mmpretrain\.UniversalAssigner'\?"
    ):
        check_config(config({'visualizer.type': 'UniversalAssigner'}))
    check_config(config({'visualizer.type': 'UniversalVisualizer'}))


def test_all_problems_at_once(config):
    with pytest.raises(ValueError, match='2 problems') as caught:
        check_config(config({'randomness.sed': 1, 'model.neck.type': 'GlobalAveragePoling'}))
    message = str(caught.value)
    assert 'randomness.sed' in message and "'GlobalAveragePooling'?" in message


@pytest.mark.parametrize(
    'changes',
    [
        {'my_variable': 3, 'max_epochs': 10, 'test_pipeline': []},
        {'val_cfg': None, 'val_dataloader': None, 'val_evaluator': None},
        {'val_cfg': {}, 'val_evaluator': {'type': 'Accuracy', 'topk': 1}},
        {'train_cfg': {'type': 'IterBasedTrainLoop', 'max_iters': 4}},
        {'optim_wrapper.constructor': 'Mine', 'optim_wrapper.paramwise_cfg': {'own': 1}},
        {'model.backbone': {'type': 'VisionTransformer', 'arch': {'type': 'offset'}}},
        {'model.backbone': {'type': 'mmseg.CSPDarknet', 'any': 1}},
        {'model.backbone': {'type': 'TIMMBackbone', 'model_name': 'resnet18', 'stem_type': 'x'}},
        {'model.backbone': {'type': torch.nn.Conv2d, 'kernel_size': 3}},
        {'model.backbone': {'type': 'torch.nn.Conv2d', 'kernel_size': 3}},
        {'model.backbone': {'type': 'mmpretrain.models.ResNet', 'depth': 18}},
    ],
)
def test_allowed(config, changes):
    check_config(config(changes))


@pytest.mark.parametrize('target', [torch.nn.Conv2d, 'torch.nn.Conv2d'])
def test_class_as_type(config, target):
    cfg = config({'model.backbone': {'type': target, 'kernelsize': 3}})
    with pytest.raises(ValueError, match="Conv2d takes no 'kernelsize'; did you mean 'kernel_siz"):
        check_config(cfg)


def test_variable_that_is_referred_to(config):
    check_config(config(text=CONFIG.replace('train_pipeline', 'train_dataloder')))


def test_scope_of_a_part(config):
    part = {'_scope_': 'mmpretrain', 'type': 'UniversalVisualizer'}
    check_config(config({'visualizer': part}))


def test_nearest():
    assert nearest('SwinTransfomer', ['ResNet', 'SwinTransformer']) == 'SwinTransformer'
    assert nearest('resnet', ['ResNeXt', 'ResNet']) == 'ResNet'
    assert nearest('qwertz', ['ResNet', 'SwinTransformer']) is None
    assert nearest('a', []) is None
