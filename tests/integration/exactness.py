"""Runs that must come out as another run did."""

import signal
from pathlib import Path

from . import tiny
from .processes import run_on, run_tool

KILLED = """
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=3))
custom_imports = dict(imports=['tests.integration.processes'])
custom_hooks = [
    dict(type='TeacherEMAHook', momentum=0.9),
    dict(type='KilledAt', iteration=5),
]
"""
"""Of a config for :func:`check_killed_and_resumed`."""


def train_on_two_processes(config: Path, work_dir: Path, options: dict) -> None:
    """Trains with half of the tiny batch on each of two gloo processes."""
    ends = run_on(
        2,
        'train.py',
        config,
        '--work-dir',
        work_dir,
        '--cfg-options',
        *tiny.as_arguments(options),
        f'train_dataloader.batch_size={tiny.BATCH // 2}',
        cwd=work_dir.parent,
    )
    assert [end.status for end in ends] == [0, 0], ends[0].err


def check_killed_and_resumed(config: Path, folder: Path) -> None:
    """A run killed at iteration 5 and resumed at 3 equals the whole one bit for bit."""
    tiny.train(config, folder / 'whole', {'custom_hooks.1.iteration': 0})
    losses = tiny.logged(folder / 'whole')
    assert len(set(losses)) == 12

    work = ('--work-dir', folder / 'killed')
    assert run_tool('train.py', config, *work, cwd=folder).status == -signal.SIGKILL
    options = ('--cfg-options', 'custom_hooks.1.iteration=0')
    resumed = run_tool('train.py', config, *work, '--resume', *options, cwd=folder)
    assert resumed.status == 0, resumed.err
    assert tiny.logged(folder / 'killed')[5:] == losses[3:]
    whole, killed = (tiny.last_checkpoint(folder / name) for name in ('whole', 'killed'))
    for part in ('state_dict', 'ema_state_dict', 'optimizer'):
        tiny.assert_identical(killed[part], whole[part], part)
