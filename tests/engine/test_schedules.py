import math

import numpy as np
import pytest

from dinomm.engine.schedules import Clock, TeacherTemperature, cosine


def test_cosine_goes_from_start_to_end():
    values = [cosine(0.996, 1.0, step, 10) for step in range(11)]
    assert values[0] == 0.996
    assert values[5] == pytest.approx(0.998)
    assert values[10] == 1.0
    assert values == sorted(values)
    expected = [1 + 0.5 * (0.996 - 1) * (1 + math.cos(math.pi * step / 10)) for step in range(10)]
    assert values[:10] == pytest.approx(expected, abs=1e-15)


def test_cosine_stays_at_the_end():
    assert cosine(2.0, 1.0, 11, 10) == 1.0
    assert cosine(2.0, 1.0, 0, 0) == 1.0


@pytest.mark.parametrize('warmup', [0, 1, 2, 5])
@pytest.mark.parametrize('epochs', [3, 8])  # shorter and longer than the longest warm-up
def test_teacher_temperature_is_the_published_table(warmup, epochs):
    table = np.concatenate([np.linspace(0.04, 0.07, warmup), np.full(epochs, 0.07)])
    schedule = TeacherTemperature(0.04, 0.07, warmup)
    values = [schedule.at(Clock(epoch, 1)) for epoch in range(epochs)]
    assert values == pytest.approx(table[:epochs].tolist(), abs=1e-12)
    assert schedule.at(Clock(1000, 1)) == 0.07


@pytest.mark.parametrize('warmup', [0, 1, 3])
@pytest.mark.parametrize('epoch_steps', [1, 5, 7.5])  # 7.5: steps of 15 micro-batches in pairs
def test_by_step_it_is_dinov2s_table(warmup, epoch_steps):
    warmup_steps = round(warmup * epoch_steps)
    table = np.concatenate([np.linspace(0.04, 0.07, warmup_steps), np.full(20, 0.07)])
    schedule = TeacherTemperature.build(
        dict(start=0.04, end=0.07, warmup_epochs=warmup, by_step=True)
    )
    values = [schedule.at(Clock(step, epoch_steps)) for step in range(len(table))]
    assert values == pytest.approx(table.tolist(), abs=1e-12)


@pytest.mark.parametrize('warmup', [0, 1, 3])
@pytest.mark.parametrize('start_epoch', [0, 2, 5])
def test_a_temperature_that_waits_is_ibots_table(warmup, start_epoch):
    """Of its masked patches, where masks begin later."""
    table = np.concatenate(
        [np.full(start_epoch, 0.04), np.linspace(0.04, 0.07, warmup), np.full(10, 0.07)]
    )
    config = dict(start=0.04, end=0.07, warmup_epochs=warmup, start_epoch=start_epoch)
    schedule = TeacherTemperature.build(config)
    values = [schedule.at(Clock(7 * epoch, 7)) for epoch in range(len(table))]
    assert values == pytest.approx(table.tolist(), abs=1e-12)
    by_step = TeacherTemperature.build({**config, 'by_step': True})
    steps = [by_step.at(Clock(step, 7)) for step in range(7 * (start_epoch + warmup + 1))]
    assert steps[: 7 * start_epoch] == [0.04] * 7 * start_epoch
    rising = np.linspace(0.04, 0.07, 7 * warmup)
    assert steps[7 * start_epoch : -7] == pytest.approx(rising.tolist(), abs=1e-12)
    assert steps[-7:] == [0.07] * 7


def test_a_number_is_constant():
    schedule = TeacherTemperature.build(0.05)
    assert {schedule.at(Clock(epoch, 1)) for epoch in range(5)} == {0.05}
