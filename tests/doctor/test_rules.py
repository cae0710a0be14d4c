import numpy as np
import pytest
from mmengine import Config

from dinomm.doctor.plan import make_plan
from dinomm.doctor.rules import settings_findings
from dinomm.doctor.settings import Schedules, compute_schedules

SOUND = dict(
    model=dict(
        backbone=dict(type='DINOVisionTransformer', patch_size=16),
        heads=dict(
            view=dict(type='DINOHead', teacher_temp=dict(start=0.04, end=0.07, warmup_epochs=30))
        ),
    ),
    train_dataloader=dict(
        batch_size=64,
        drop_last=True,
        dataset=dict(
            pipeline=[dict(type='MultiCrop', views=[dict(size=224, num=2), dict(size=96, num=8)])]
        ),
    ),
    train_cfg=dict(max_epochs=100),
    optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.04)),
    auto_scale_lr=dict(base_batch_size=64),
    param_scheduler=[
        dict(type='LinearLR', start_factor=1e-9, end=10, convert_to_iter_based=True),
        dict(type='CosineAnnealingLR', begin=10, convert_to_iter_based=True),
    ],
    custom_hooks=[dict(type='TeacherEMAHook', momentum=0.996)],
    default_hooks=dict(checkpoint=dict(type='ResumableCheckpointHook', interval=1)),
)
HEAD = dict(name='view', type='DINOHead', centering='MeanCentering', images=64, prototypes=64)


def findings(changes=None, images=6400, processes=1, heads=(HEAD,), is_scaled=False):
    config = Config(SOUND)
    config.merge_from_dict(changes or {}, allow_list_keys=True)
    plan = make_plan(config, images, processes)
    schedules = compute_schedules(config, plan)
    return [*settings_findings(config, plan, schedules, heads, is_scaled)]


def test_sound_run():
    assert findings() == []


CASES = {
    'an epoch without a step': (
        {},
        dict(images=63),
        'fault',
        'data',
        'each process has 63 images, a batch 64',
    ),
    'many images left out': (
        {'custom_hooks.0.momentum': 0.98, 'train_cfg.max_epochs': 200},
        dict(images=127),
        'advice',
        'data',
        '63 of 127 images',
    ),
    'batch of one process for eight': (
        {'auto_scale_lr.base_batch_size': 512},
        {},
        'fault',
        'learning rate',
        '--auto-scale-lr (it sets 0.000125), or keep the batch by '
        'optim_wrapper.accumulative_counts=8',
    ),
    'batch a little small, rule of the root': (
        {'auto_scale_lr': dict(base_batch_size=196, rule='sqrt')},
        {},
        'advice',
        'learning rate',
        'it sets 0.000571',
    ),
    'large batch': ({}, dict(processes=4), 'advice', 'learning rate', 'the run has 256'),
    'warm-up as long as the run': (
        {'param_scheduler.0.end': 100},
        {},
        'fault',
        'warm-up',
        'rises for 100 epochs, and the run has 100',
    ),
    'teacher that hardly moves': (
        {'custom_hooks.0.momentum': 0.99995},
        {},
        'fault',
        'teacher',
        'after 10,000 steps',
    ),
    'teacher that moves little': (
        {'custom_hooks.0.momentum': 0.9998},
        {},
        'advice',
        'teacher',
        'beginning (momentum 0.9998)',
    ),
    'teacher that follows at once': (
        {'custom_hooks.0.momentum': 0.9},
        {},
        'advice',
        'teacher',
        'within 10 steps',
    ),
    'small batch in a long run': (
        {'train_cfg.max_epochs': 300},
        {},
        'advice',
        'teacher',
        'published advice for 256 is 0.9995',
    ),
    'temperature that never warms up': (
        {'train_cfg.max_epochs': 20},
        {},
        'advice',
        'temperature',
        'after 30 epochs, and the run has 20: set warmup_epochs=6',
    ),
    'view below a patch': (
        {'train_dataloader.dataset.pipeline.0.views.1.size': 8},
        {},
        'fault',
        'views',
        '8 px',
    ),
    'view that is no multiple': (
        {'train_dataloader.dataset.pipeline.0.views.1.size': 100},
        {},
        'advice',
        'views',
        'take 96 or 112',
    ),
    "mmengine's hook": (
        {'default_hooks.checkpoint.type': 'CheckpointHook'},
        {},
        'advice',
        'checkpoints',
        'type=ResumableCheckpointHook',
    ),
    'no hook': ({'default_hooks.checkpoint': None}, {}, 'fault', 'checkpoints', 'nothing is saved'),
    'interval beyond the end': (
        {'default_hooks.checkpoint.interval': 200},
        {},
        'advice',
        'checkpoints',
        'only its end',
    ),
    'no interval': (
        {'default_hooks.checkpoint.interval': -1},
        {},
        'fault',
        'checkpoints',
        'nothing is saved',
    ),
    'small batch for the centre': (
        {},
        dict(heads=[{**HEAD, 'images': 4}]),
        'advice',
        'batch, head view',
        '4 images at once',
    ),
}


@pytest.mark.parametrize('case', CASES)
def test_rule(case):
    changes, options, level, subject, words = CASES[case]
    found = findings(changes, **options)
    assert [(one.level, one.subject) for one in found] == [(level, subject)]
    assert words in found[0].text


def test_scaled_rate_fits():
    assert findings({'auto_scale_lr.base_batch_size': 512}, is_scaled=True) == []


def test_centre_sees_all_processes():
    assert (
        findings({'auto_scale_lr.base_batch_size': 256}, heads=[{**HEAD, 'images': 4}], processes=4)
        == []
    )


def test_loaded_teacher_may_move_slowly():
    assert findings({'custom_hooks.0.momentum': 0.99995, 'load_from': 'file.pth'}) == []


def test_what_is_left_of_the_beginning_is_the_product_of_the_momenta():
    config = Config(SOUND)
    config.merge_from_dict({'custom_hooks.0.momentum': 0.9999}, allow_list_keys=True)
    plan = make_plan(config, 6400, 1)
    momenta = np.asarray(compute_schedules(config, plan).values['teacher momentum'])
    assert len(momenta) == plan.steps
    text = findings({'custom_hooks.0.momentum': 0.9999})[0].text
    assert f'{momenta.prod():.0%} of its random' in text


def test_schedules_of_a_long_run_are_computed_at_fewer_points():
    config = Config(SOUND)
    plan = make_plan(config, 1_281_167, 1)
    schedules = compute_schedules(config, plan)
    points = len(schedules.values['teacher momentum'])
    assert points <= 20_000 and schedules.steps_each * points == plan.steps


def test_without_a_rate_there_is_no_schedule():
    config = Config(SOUND)
    config.optim_wrapper.optimizer.pop('lr')
    assert compute_schedules(config, make_plan(config, 6400, 1)) == Schedules({}, 1.0)


def test_all_steps_of_a_long_run_count():
    (finding,) = findings({'custom_hooks.0.momentum': 0.999999}, images=1_281_167)
    assert finding.level == 'advice' and 'still is 37% of its random' in finding.text
