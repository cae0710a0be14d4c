"""Killed and resumed is bit for bit uninterrupted."""

import signal

import pytest

from . import tiny
from .processes import run_tool

# everything random is on: drop path, jitter and blur as published
KILLED = """
model = dict(backbone=dict(drop_path_rate=0.3))
default_hooks = dict(checkpoint=dict(by_epoch=False, interval={interval}))
optim_wrapper = dict(accumulative_counts={accumulation})
custom_imports = dict(imports=['tests.integration.processes'])
custom_hooks = [
    dict(type='TeacherEMAHook', momentum=0.9),
    dict(type='KilledAt', iteration={killed_at}),
]
"""
NOT_KILLED = 'custom_hooks.1.iteration=0'


@pytest.mark.parametrize(
    ('interval', 'accumulation', 'killed_at', 'resumed_from'),
    [
        pytest.param(3, 1, 3, 3, id='at-a-saved-step-inside-an-epoch'),
        pytest.param(4, 1, 4, 4, id='at-the-end-of-an-epoch', marks=pytest.mark.slow),
        pytest.param(3, 1, 5, 3, id='between-saved-steps', marks=pytest.mark.slow),
        pytest.param(3, 2, 3, 2, id='inside-an-accumulation-window'),
        pytest.param(
            5, 3, 5, 3, id='inside-a-window-over-the-end-of-an-epoch', marks=pytest.mark.slow
        ),
    ],
)
def test_resumed_equals_uninterrupted(
    tmp_path, data, interval, accumulation, killed_at, resumed_from
):
    extra = KILLED.format(interval=interval, accumulation=accumulation, killed_at=killed_at)
    config = tiny.write_config(tmp_path / 'tiny.py', data, extra)
    tiny.train(config, tmp_path / 'whole', {'custom_hooks.1.iteration': 0})

    work = ('--work-dir', tmp_path / 'killed')
    assert run_tool('train.py', config, *work, cwd=tmp_path).status == -signal.SIGKILL
    resumed = run_tool(
        'train.py',
        config,
        *work,
        '--resume',
        '--cfg-options',
        NOT_KILLED,
        'train_dataloader.num_workers=2',
        'train_dataloader.persistent_workers=True',
        cwd=tmp_path,
    )
    assert resumed.status == 0, resumed.err

    losses = tiny.logged(tmp_path / 'whole')
    assert len(losses) == 12 and len(set(losses)) == 12
    assert tiny.logged(tmp_path / 'killed')[killed_at:] == losses[resumed_from:]
    whole, killed = (tiny.last_checkpoint(tmp_path / name) for name in ('whole', 'killed'))
    for part in ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers'):
        tiny.assert_identical(killed[part], whole[part], part)
    assert killed['meta']['iter'] == whole['meta']['iter']


def test_resume_with_another_batch_size_inside_an_epoch(config, tmp_path):
    saved = {'default_hooks.checkpoint.by_epoch': False, 'default_hooks.checkpoint.interval': 3}
    tiny.train(config, tmp_path / 'work', {**saved, 'train_cfg.max_epochs': 2})
    end = run_tool(
        'train.py',
        config,
        '--work-dir',
        tmp_path / 'other',
        '--resume',
        tmp_path / 'work/iter_3.pth',
        '--cfg-options',
        f'train_dataloader.batch_size={2 * tiny.BATCH}',
        cwd=tmp_path,
    )
    assert end.status == 1
    assert 'resume with the same data and the same global batch size' in end.err
