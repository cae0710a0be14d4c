"""What a config's schedules will do, computed without a network or images."""

import warnings
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config

from dinomm.registry import HOOKS, OPTIM_WRAPPERS, PARAM_SCHEDULERS

from .schedules import Clock, TeacherTemperature

MOST_STEPS = 20_000
STEPS_PER_EPOCH = 100


class ScheduleValues(NamedTuple):
    """Values at the beginning of each optimizer step.

    Attributes:
        epoch: (S,) where in the run a step stands, in epochs.
        values: 'learning rate', 'weight decay', 'teacher momentum' and, for each head,
            'teacher temperature (<head>)', those that the config has: (S,) each.
        frozen_epochs: Epochs from the start in which the last layer stays as it is.
    """

    epoch: np.ndarray
    values: dict[str, np.ndarray]
    frozen_epochs: int


def schedule_values(config: Config, steps_per_epoch: int | None = None) -> ScheduleValues:
    """Steps the schedulers of a config over its whole run.

    Args:
        config: Read only.
        steps_per_epoch: Optimizer steps of an epoch. By default so many that the curves look
            smooth, as the schedules are functions of the epoch.

    Raises:
        ValueError: The config names no epochs or no learning rate, or counts a schedule in
            iterations and nobody said how many an epoch has.
    """
    epochs = (config.get('train_cfg') or {}).get('max_epochs')
    if epochs is None:
        raise ValueError('the config has no train_cfg.max_epochs: its schedules have no end')
    schedulers = config.get('param_scheduler') or []
    schedulers = [schedulers] if isinstance(schedulers, dict) else schedulers
    if steps_per_epoch is None:
        if not all(one.get('by_epoch', True) for one in schedulers):
            raise ValueError(
                'param_scheduler of the config counts iterations: say by --steps-per-epoch how '
                'many optimizer steps an epoch has'
            )
        steps_per_epoch = max(1, min(STEPS_PER_EPOCH, MOST_STEPS // epochs))
    steps = epochs * steps_per_epoch
    values = _of_optimizer(config, schedulers, epochs, steps_per_epoch)
    for hook in config.get('custom_hooks') or ():
        if hook['type'].endswith('TeacherEMAHook'):
            momentum_at = HOOKS.build({'_scope_': 'dinomm', **hook}).momentum_at
            values['teacher momentum'] = np.array([momentum_at(i, steps) for i in range(steps)])
    for name, head in (config.get('model', {}).get('heads') or {}).items():
        if 'teacher_temp' in head:
            temperature = TeacherTemperature.build(head['teacher_temp'])
            values[f'teacher temperature ({name})'] = np.array(
                [temperature.at(Clock(i, steps_per_epoch)) for i in range(steps)]
            )
    frozen = config.get('optim_wrapper', {}).get('freeze_last_layer', 0)
    return ScheduleValues(np.arange(steps) / steps_per_epoch, values, frozen)


def _of_optimizer(
    config: Config, configs: list[Any], epochs: int, steps_per_epoch: int
) -> dict[str, np.ndarray]:
    """Learning rate and weight decay, by the config's own schedulers."""
    settings = (config.get('optim_wrapper') or {}).get('optimizer') or {}
    if 'lr' not in settings:
        raise ValueError('the config has no optim_wrapper.optimizer.lr: nothing is scheduled')
    optimizer = torch.optim.SGD(
        [torch.nn.Parameter(torch.zeros(1))],
        lr=settings['lr'],
        weight_decay=settings.get('weight_decay', 0.0),
    )
    wrapper = OPTIM_WRAPPERS.build({'type': 'dinomm.DINOOptimWrapper', 'optimizer': optimizer})
    built = []
    for one in configs:
        default_end = epochs if one.get('by_epoch', True) else epochs * steps_per_epoch
        scheduler = {'_scope_': 'dinomm', 'end': default_end, **one}
        default = {'optimizer': wrapper, 'epoch_length': steps_per_epoch}
        built.append(PARAM_SCHEDULERS.build(scheduler, default_args=default))
    rates, decays = [], []
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', message='Detected call of `scheduler.step')
        for step in range(1, epochs * steps_per_epoch + 1):
            rates.append(optimizer.param_groups[0]['lr'])
            decays.append(optimizer.param_groups[0]['weight_decay'])
            for scheduler in built:
                if not scheduler.by_epoch or step % steps_per_epoch == 0:
                    scheduler.step()
    return {'learning rate': np.array(rates), 'weight decay': np.array(decays)}
