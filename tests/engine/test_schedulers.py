import numpy as np
import pytest
import torch
from torch import nn

from dinomm.engine import DINOOptimWrapper
from dinomm.registry import PARAM_SCHEDULERS
from dinomm.verification.schedules import check_schedules


def build(config, counts=1, epoch_length=8, lr=1.0):
    wrapper = DINOOptimWrapper(
        torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=lr), accumulative_counts=counts
    )
    config = {'_scope_': 'dinomm', 'by_epoch': True, 'convert_to_iter_based': True, **config}
    default = {'optimizer': wrapper, 'epoch_length': epoch_length}
    return wrapper, PARAM_SCHEDULERS.build(config, default_args=default)


def rates(config, steps, **options):
    wrapper, scheduler = build(config, **options)
    seen = []
    for _ in range(steps):
        seen.append(wrapper.optimizer.param_groups[0]['lr'])
        wrapper.optimizer.step()
        scheduler.step()
    return seen


def test_published_tables(golden):
    with np.load(golden / 'schedules.npz') as arrays:
        assert all(result.passed for result in check_schedules(arrays))


@pytest.mark.parametrize(
    'name', ['LinearLR', 'CosineAnnealingLR', 'MultiStepLR', 'CosineAnnealingWeightDecay']
)
def test_names_are_mmengines(name):
    scheduler = PARAM_SCHEDULERS.get(name)
    assert scheduler.__name__ == name
    assert scheduler.__module__ == 'dinomm.engine.schedulers'
    assert any(base.__module__.startswith('mm') for base in scheduler.__mro__)


@pytest.mark.parametrize(('counts', 'steps_per_epoch'), [(1, 8), (2, 4), (4, 2)])
def test_epochs_are_counted_in_optimizer_steps(counts, steps_per_epoch):
    config = {'type': 'CosineAnnealingLR', 'begin': 0, 'end': 3, 'eta_min': 0.0}
    seen = rates(config, 3 * steps_per_epoch, counts=counts)
    steps = np.arange(3 * steps_per_epoch) / (3 * steps_per_epoch)
    assert seen == pytest.approx(((1 + np.cos(np.pi * steps)) / 2).tolist(), abs=1e-9)


def test_warm_up_ends_after_its_epochs():
    seen = rates({'type': 'LinearLR', 'start_factor': 0.5, 'end': 1}, 6, counts=2)
    assert seen == pytest.approx([0.5, 2 / 3, 5 / 6, 1, 1, 1])


@pytest.mark.parametrize(('counts', 'milestone'), [(1, 7), (2, 4), (3, 2)])
def test_milestones_are_met_when_an_epoch_is_no_whole_number_of_steps(counts, milestone):
    config = {'type': 'MultiStepLR', 'milestones': [1], 'gamma': 0.1}
    seen = rates(config, 9, counts=counts, epoch_length=7)
    assert seen == pytest.approx([1.0] * milestone + [0.1] * (9 - milestone))


def test_step_size_of_no_whole_number_of_steps():
    seen = rates({'type': 'StepLR', 'step_size': 1, 'gamma': 0.1}, 8, counts=2, epoch_length=7)
    assert seen == pytest.approx([1.0] * 4 + [0.1] * 4)


def test_epochs_without_an_optimizer_step():
    says = 'between its epochs 0 and 1: an epoch has 8 iterations and .*accumulative_counts is 9'
    with pytest.raises(ValueError, match=says):
        rates({'type': 'LinearLR', 'start_factor': 0.5, 'end': 1}, 1, counts=9)
    assert len(rates({'type': 'LinearLR', 'start_factor': 0.5, 'end': 2}, 1, counts=9)) == 1


def test_without_conversion_nothing_changes():
    config = {'type': 'MultiStepLR', 'milestones': [2], 'convert_to_iter_based': False}
    assert rates(config, 4, counts=2) == pytest.approx([1, 1, 0.1, 0.1])
