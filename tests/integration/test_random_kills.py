"""Killed five times at random moments, a run ends with the bits of one that never was."""

import json
import random
import signal

import pytest

from . import tiny
from .processes import run_on, run_tool

KILLS = 5
MORE_KILLS_THAN_NEEDED = 3
"""A run on a fast machine may end before the last kill."""

# whatever moves is on: batch norm, drop path, jitter, windows, a loss scaler that skips steps, a
# loss that is smoothed in the log, checkpoints inside epochs and windows, the best one
RANDOM = """
model = dict(backbone=dict(drop_path_rate=0.3), heads=dict(view=dict(batch_norm=True)))
custom_imports = dict(imports=['tests.integration.kills'])
custom_hooks = [
    dict(type='TeacherEMAHook', momentum=0.9),
    dict(type='KilledSoonAfter', iteration=0, seconds=0),
]
optim_wrapper = dict(type='ScaledOnCPU', accumulative_counts=2)
train_cfg = dict(max_epochs=8, val_interval=2)
log_processor = dict(window_size=5)
default_hooks = dict(
    logger=dict(interval=2),
    checkpoint=dict(
        by_epoch=False, interval=3, max_keep_ckpts=2, save_best='knn/top1_k5', rule='greater'
    )
)
"""
COMPARED = ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers', 'health')


def by_step(work_dir, key='loss') -> dict[int, set]:
    """All values that any session logged for a step."""
    values: dict[int, set] = {}
    for file in work_dir.glob('*/vis_data/scalars.json'):
        for line in file.read_text().splitlines():
            entry = json.loads(line)
            if key in entry:
                values.setdefault(entry['step'], set()).add(entry[key])
    return values


def check_same(killed, whole):
    losses = by_step(whole)
    assert len(losses) == 16 and all(len(values) == 1 for values in losses.values())
    assert by_step(killed) == losses
    for key in ('knn/top1_k5', 'health/grad_norm', 'health/view/kl'):
        assert by_step(killed, key) == by_step(whole, key) != {}
    ends = [tiny.last_checkpoint(folder) for folder in (killed, whole)]
    for part in COMPARED:
        tiny.assert_identical(*(end[part] for end in ends), part)
    assert any('running_mean' in name for name in ends[0]['state_dict'])
    assert any(name.endswith('centering.center') for name in ends[0]['ema_state_dict'])
    scaler = ends[0]['optimizer']['loss_scaler']
    assert scaler['scale'] != 2.0**127  # it has moved
    for key in ('iter', 'epoch'):
        assert ends[0]['meta'][key] == ends[1]['meta'][key]
    infos = [end['message_hub']['runtime_info'] for end in ends]
    assert infos[0]['best_score'] == infos[1]['best_score']
    names = [sorted(path.name for path in folder.glob('*.pth')) for folder in (killed, whole)]
    assert names[0] == names[1] and len(names[0]) == 3
    assert not [*killed.glob('.*partial')]


def killed_again_and_again(seed, num_workers, folder, start):
    """Starts, kills and resumes; returns how often it was killed."""
    draw = random.Random(seed)
    for kill in range(KILLS + MORE_KILLS_THAN_NEEDED):
        workers = num_workers[kill % len(num_workers)]
        last = kill >= KILLS
        options = {
            'custom_hooks.1.iteration': 0 if last else draw.randint(1, 4),
            'custom_hooks.1.seconds': draw.uniform(0, 0.1),
            'train_dataloader.num_workers': workers,
            'train_dataloader.persistent_workers': workers > 0,
        }
        arguments = ('--work-dir', folder, '--resume', '--cfg-options')
        ended = start(*arguments, *tiny.as_arguments(options))
        if not last and -signal.SIGKILL in [end.status for end in ended]:
            continue
        assert [end.status for end in ended] == [0] * len(ended), ended[0].err
        return kill
    raise AssertionError('never ended')


def on_one(config, tmp_path):
    return lambda *arguments: [run_tool('train.py', config, *arguments, cwd=tmp_path)]


@pytest.mark.parametrize(
    ('seed', 'num_workers'),
    [
        pytest.param(0, (0, 1, 2), id='0, 1 and 2 workers in turn'),
        pytest.param(1, (0,), id='no worker', marks=pytest.mark.slow),
        pytest.param(2, (1,), id='1 worker', marks=pytest.mark.slow),
        pytest.param(3, (2,), id='2 workers', marks=pytest.mark.slow),
    ],
)
def test_one_process(seed, num_workers, data, tmp_path):
    config = tiny.write_config(tmp_path / 'tiny.py', data, RANDOM)
    start = on_one(config, tmp_path)
    assert start('--work-dir', tmp_path / 'whole')[0].status == 0
    kills = killed_again_and_again(seed, num_workers, tmp_path / 'killed', start)
    assert kills == KILLS
    check_same(tmp_path / 'killed', tmp_path / 'whole')


@pytest.mark.slow
def test_two_processes(data, tmp_path):
    config = tiny.write_config(tmp_path / 'tiny.py', data, RANDOM)
    half = ('train_dataloader.batch_size=4',)

    def start(*arguments):
        return run_on(2, 'train.py', config, *arguments, *half, cwd=tmp_path)

    ended = start('--work-dir', tmp_path / 'whole', '--cfg-options')
    assert [end.status for end in ended] == [0, 0], ended[0].err
    assert killed_again_and_again(4, (0, 1), tmp_path / 'killed', start) == KILLS
    check_same(tmp_path / 'killed', tmp_path / 'whole')
