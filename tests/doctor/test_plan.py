import pytest
from mmengine import Config

from dinomm.doctor.plan import hook_named, make_plan, validations


def config(**changes):
    keys = dict(
        train_dataloader=dict(batch_size=8, drop_last=True, sampler=dict(type='EpochSampler')),
        train_cfg=dict(max_epochs=10, val_interval=4),
        optim_wrapper=dict(accumulative_counts=3, optimizer=dict(lr=1e-3)),
        val_cfg=dict(),
    )
    built = Config(keys)
    built.merge_from_dict(changes)
    return built


def test_arithmetic():
    plan = make_plan(config(), images=100, processes=2)
    assert (plan.iterations, plan.dropped, plan.effective_batch) == (6, 4, 48)
    assert plan.steps == 20 and plan.epoch_steps == 2


def test_without_dropping_the_last_batch_counts():
    plan = make_plan(config(**{'train_dataloader.drop_last': False}), images=100, processes=1)
    assert (plan.iterations, plan.dropped) == (13, 0)


def test_epoch_of_another_size_than_the_data():
    plan = make_plan(config(**{'train_dataloader.sampler.epoch_size': 80}), 1000, 1)
    assert (plan.epoch_images, plan.iterations, plan.dropped) == (80, 10, 0)


def test_run_in_iterations():
    plan = make_plan(
        config(train_cfg={'_delete_': True, 'max_iters': 25, 'val_interval': 5}), 80, 1
    )
    assert plan.epochs == 3
    cfg = config(train_cfg={'_delete_': True, 'max_iters': 25, 'val_interval': 5})
    assert validations(cfg, plan) == 5


@pytest.mark.parametrize(
    ('changes', 'number'),
    [
        ({}, 3),
        ({'train_cfg.val_begin': 5}, 2),
        ({'val_cfg': None}, 0),
        ({'train_cfg.val_interval': 5}, 2),
    ],
)
def test_validations(changes, number):
    cfg = config(**changes)
    assert validations(cfg, make_plan(cfg, 100, 1)) == number


def test_hook_by_its_bare_name():
    cfg = Config(
        dict(
            custom_hooks=[dict(type='dinomm.TeacherEMAHook', momentum=1)],
            default_hooks=dict(a=None),
        )
    )
    assert hook_named(cfg, 'TeacherEMAHook').momentum == 1
    assert hook_named(cfg, 'EMAHook') is None
