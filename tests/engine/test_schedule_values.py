import numpy as np
import pytest
from mmengine.config import Config

from dinomm.engine.schedule_values import schedule_values
from dinomm.verification import schedules as published

EPOCHS, STEPS = published.EPOCHS, published.STEPS_PER_EPOCH


@pytest.fixture
def config():
    return Config(
        dict(
            train_cfg=dict(type='ResumableEpochLoop', max_epochs=EPOCHS),
            optim_wrapper=dict(
                optimizer=dict(
                    type='AdamW', lr=published.PEAK_LR, weight_decay=published.WEIGHT_DECAY
                ),
                freeze_last_layer=1,
            ),
            param_scheduler=published.published_schedulers(
                EPOCHS,
                published.WARMUP_EPOCHS,
                published.END_LR,
                published.END_WEIGHT_DECAY,
            ),
            custom_hooks=[dict(type='TeacherEMAHook', momentum=published.MOMENTUM)],
            model=dict(
                heads=dict(
                    view=dict(
                        type='DINOHead', teacher_temp=dict(start=0.04, end=0.07, warmup_epochs=4)
                    ),
                    region=dict(type='RegionMatchingHead', teacher_temp=0.05),
                )
            ),
        )
    )


def test_published_tables(config, golden):
    found = schedule_values(config, STEPS)
    arrays = np.load(golden / 'schedules.npz')
    for name, key in (
        ('learning rate', 'lr'),
        ('weight decay', 'weight_decay'),
        ('teacher momentum', 'momentum'),
    ):
        np.testing.assert_allclose(found.values[name], arrays[key], rtol=1e-9, atol=1e-11)
    assert found.epoch[STEPS] == 1 and len(found.epoch) == EPOCHS * STEPS
    assert found.frozen_epochs == 1


def test_temperatures_of_the_heads(config):
    found = schedule_values(config, STEPS).values
    by_epoch = found['teacher temperature (view)'].reshape(EPOCHS, STEPS)
    assert (by_epoch == by_epoch[:, :1]).all()
    assert by_epoch[:6, 0] == pytest.approx([0.04, 0.05, 0.06, 0.07, 0.07, 0.07])
    assert (found['teacher temperature (region)'] == 0.05).all()


def test_a_temperature_by_step(config):
    config.model.heads.view.teacher_temp.by_step = True
    found = schedule_values(config, STEPS).values['teacher temperature (view)']
    assert found[: 4 * STEPS] == pytest.approx(np.linspace(0.04, 0.07, 4 * STEPS), abs=1e-12)
    assert (found[4 * STEPS :] == 0.07).all()


def test_a_schedule_without_an_end_goes_to_that_of_the_run(config):
    explicit = schedule_values(config, STEPS).values
    for scheduler in config.param_scheduler[1:]:
        del scheduler['end']
    implicit = schedule_values(config, STEPS).values
    for name, values in explicit.items():
        np.testing.assert_array_equal(values, implicit[name])


def test_steps_that_nobody_named_sample_the_same_curve(config):
    few, usual = schedule_values(config, STEPS), schedule_values(config)
    assert len(usual.epoch) == 100 * EPOCHS
    rates = np.interp(few.epoch, usual.epoch, usual.values['learning rate'])
    inside = few.epoch > published.WARMUP_EPOCHS + 1
    np.testing.assert_allclose(rates[inside], few.values['learning rate'][inside], rtol=0.02)
    config.train_cfg.max_epochs = 10_000
    for scheduler in config.param_scheduler[1:]:
        scheduler.end = 10_000
    assert len(schedule_values(config).epoch) == 20_000


def test_schedules_by_epoch_and_by_iteration(config):
    config.param_scheduler = [
        dict(type='LinearLR', start_factor=0.1, begin=0, end=10, by_epoch=False),
        dict(type='MultiStepLR', milestones=[4], gamma=0.1, by_epoch=True),
    ]
    with pytest.raises(ValueError, match='counts iterations: say by --steps-per-epoch'):
        schedule_values(config)
    rates = schedule_values(config, STEPS).values['learning rate'] / published.PEAK_LR
    assert rates[0] == pytest.approx(0.1) and rates[9] == pytest.approx(1)
    assert rates[4 * STEPS - 1] == pytest.approx(1) and rates[4 * STEPS] == pytest.approx(0.1)


def test_a_config_without_schedulers_or_teacher(config):
    bare = Config(dict(train_cfg=dict(max_epochs=2), optim_wrapper=config.optim_wrapper))
    found = schedule_values(bare, 3).values
    assert sorted(found) == ['learning rate', 'weight decay']
    assert (found['learning rate'] == published.PEAK_LR).all()


@pytest.mark.parametrize(
    ('key', 'sentence'),
    [('train_cfg', 'no train_cfg.max_epochs'), ('optim_wrapper', 'no optim_wrapper.optimizer.lr')],
)
def test_missing_parts(config, key, sentence):
    config[key] = None
    with pytest.raises(ValueError, match=sentence):
        schedule_values(config)
