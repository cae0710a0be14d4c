"""Learning rate, weight decay and teacher momentum against the published tables."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from dinomm.engine import TeacherEMAHook, TwoGroupConstructor
from dinomm.registry import PARAM_SCHEDULERS

from .result import Result, compare

EPOCHS, STEPS_PER_EPOCH, WARMUP_EPOCHS = 20, 7, 3
PEAK_LR, END_LR = 5e-4 * 1024 / 256, 1e-6
WEIGHT_DECAY, END_WEIGHT_DECAY, MOMENTUM = 0.04, 0.4, 0.996


def published_schedulers(
    epochs: int, warmup_epochs: int, end_lr: float, end_weight_decay: float
) -> list[dict[str, Any]]:
    """The form of the schedules in DINO's configs, by these numbers."""
    by_epoch: dict[str, Any] = {'by_epoch': True, 'convert_to_iter_based': True}
    warmup = {'type': 'LinearLR', 'start_factor': 1e-9, 'end': warmup_epochs, **by_epoch}
    decay = {
        'type': 'CosineAnnealingLR',
        'eta_min': end_lr,
        'begin': warmup_epochs,
        'end': epochs,
        **by_epoch,
    }
    weight_decay = {
        'type': 'CosineAnnealingWeightDecay',
        'eta_min': end_weight_decay,
        'end': epochs,
        **by_epoch,
    }
    return [warmup, decay, weight_decay] if warmup_epochs else [decay, weight_decay]


def check_schedules(arrays: Mapping[str, np.ndarray]) -> Iterator[Result]:
    """Steps the schedulers of a config over all steps and compares every value."""
    model = nn.Linear(2, 2)
    optimizer = {'type': 'AdamW', 'lr': PEAK_LR, 'weight_decay': WEIGHT_DECAY}
    wrapper = TwoGroupConstructor({'optimizer': optimizer})(model)
    default = {'optimizer': wrapper, 'epoch_length': STEPS_PER_EPOCH}
    schedulers = [
        PARAM_SCHEDULERS.build({'_scope_': 'dinomm', **config}, default_args=default)
        for config in published_schedulers(EPOCHS, WARMUP_EPOCHS, END_LR, END_WEIGHT_DECAY)
    ]
    seen: dict[str, list[float]] = {'lr': [], 'weight_decay': [], 'undecayed': []}
    for _ in range(EPOCHS * STEPS_PER_EPOCH):
        decayed, undecayed = wrapper.optimizer.param_groups
        seen['lr'].append(decayed['lr'])
        seen['weight_decay'].append(decayed['weight_decay'])
        seen['undecayed'].append(undecayed['weight_decay'])
        wrapper.update_params(model(torch.ones(1, 2)).sum())
        for scheduler in schedulers:
            scheduler.step()
    yield compare('lr', np.array(seen['lr']), arrays['lr'], 1e-9)
    yield compare('weight_decay', np.array(seen['weight_decay']), arrays['weight_decay'], 1e-9)
    zeros = np.zeros_like(arrays['weight_decay'])
    yield compare('weight_decay of biases and norms', np.array(seen['undecayed']), zeros, 0.0)
    hook = TeacherEMAHook(momentum=MOMENTUM)
    steps = EPOCHS * STEPS_PER_EPOCH
    momentum = np.array([hook.momentum_at(step, steps) for step in range(steps)])
    yield compare('momentum', momentum, arrays['momentum'], 1e-9)
