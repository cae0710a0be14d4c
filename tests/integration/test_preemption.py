"""Asked to stop, a run writes a checkpoint, says so by its exit status, and goes on from there."""

import signal

import pytest

from dinomm.preemption import PreemptedError

from . import tiny
from .processes import run_on, run_tool
from .test_random_kills import COMPARED, by_step

ITERATIONS = 12
SIGNALLED = """
model = dict(backbone=dict(drop_path_rate=0.3))
custom_imports = dict(imports=['tests.integration.kills'])
custom_hooks = [
    dict(type='TeacherEMAHook', momentum=0.9),
    dict(type='Signalled', {signalled}),
]
optim_wrapper = dict(accumulative_counts={accumulation})
train_cfg = dict(max_epochs=3, val_interval=1)
"""
NEVER = 'custom_hooks.1.number=0'


@pytest.fixture(scope='module')
def whole(data, tmp_path_factory):
    """Work directories of runs that nobody stopped, by their micro-batches a step."""
    made = {}

    def run(accumulation):
        if accumulation not in made:
            folder = tmp_path_factory.mktemp('whole')
            extra = SIGNALLED.format(signalled="at='step', number=0", accumulation=accumulation)
            tiny.train(tiny.write_config(folder / 'tiny.py', data, extra), folder / 'work')
            made[accumulation] = folder / 'work'
        return made[accumulation]

    return run


def stopped(tmp_path, data, signalled, accumulation=1, *arguments):
    extra = SIGNALLED.format(signalled=signalled, accumulation=accumulation)
    config = tiny.write_config(tmp_path / 'tiny.py', data, extra)
    end = run_tool('train.py', config, '--work-dir', tmp_path / 'work', *arguments, cwd=tmp_path)
    return config, end


def check_resumed(config, tmp_path, whole):
    arguments = ('--work-dir', tmp_path / 'work', '--resume', '--cfg-options', NEVER)
    end = run_tool('train.py', config, *arguments, cwd=tmp_path)
    assert end.status == 0, end.err
    for key in ('loss', 'knn/top1_k5'):
        values = by_step(tmp_path / 'work', key)
        assert values == by_step(whole, key) and len(values) == (12 if key == 'loss' else 3)
    ends = [tiny.last_checkpoint(folder) for folder in (tmp_path / 'work', whole)]
    for part in COMPARED:
        tiny.assert_identical(*(end[part] for end in ends), part)


STOPS = {
    # what happens, the iteration that the checkpoint holds
    'during a step': ("at='step', number=6", 1, 6),
    'by SIGUSR1': ("at='step', number=6, signals=('SIGUSR1', 'SIGUSR1')", 1, 6),
    'by Ctrl-C': ("at='step', number=6, signals=('SIGINT',)", 1, 6),
    'inside a window': ("at='step', number=5", 3, 6),
    'inside a window, before a validation': ("at='step', number=7", 3, 6),
    'in the last step of an epoch': ("at='step', number=8", 1, 8),
    'in the last step of all': ("at='step', number=12", 1, 12),
    'during a validation': ("at='validation', number=2", 1, 8),
    'during a validation inside a window': ("at='validation', number=1", 3, 3),
    'while a checkpoint is written': ("at='write', number=1", 1, 4),
}
DEFAULT = ('inside a window', 'during a validation')


@pytest.mark.parametrize(
    'case',
    [case if case in DEFAULT else pytest.param(case, marks=pytest.mark.slow) for case in STOPS],
)
def test_stops_and_goes_on(case, data, whole, tmp_path):
    signalled, accumulation, iteration = STOPS[case]
    config, end = stopped(tmp_path, data, signalled, accumulation)
    assert end.status == PreemptedError.exit_status == 75, end.err
    name = next((name for name in ('SIGUSR1', 'SIGINT') if name in signalled), 'SIGTERM')
    assert f'{name}: stopped at iteration ' in end.err and '--resume' in end.err
    assert 'Traceback' not in end.err
    assert tiny.last_checkpoint(tmp_path / 'work')['meta']['iter'] == iteration
    check_resumed(config, tmp_path, whole(accumulation))


def test_stops_in_the_validation_before_the_first_step(data, tmp_path):
    config, end = stopped(
        tmp_path, data, "at='validation', number=1", 1, '--cfg-options', 'train_cfg.val_begin=0'
    )
    assert end.status == 75, end.err
    assert 'SIGTERM: stopped at iteration 0 of 12' in end.err and 'Traceback' not in end.err
    arguments = ('--work-dir', tmp_path / 'work', '--resume', '--cfg-options', NEVER)
    end = run_tool('train.py', config, *arguments, 'train_cfg.val_begin=0', cwd=tmp_path)
    assert end.status == 0, end.err
    assert len(by_step(tmp_path / 'work', 'knn/top1_k5')) == 4


def test_of_two_processes_one_is_signalled(data, tmp_path):
    """Both stop at one step, the second after the signal at the latest."""
    extra = SIGNALLED.format(signalled="at='step', number=5, rank=1", accumulation=1)
    config = tiny.write_config(tmp_path / 'tiny.py', data, extra)
    half = ('--cfg-options', 'train_dataloader.batch_size=4')
    work = ('--work-dir', tmp_path / 'work')
    ends = run_on(2, 'train.py', config, *work, *half, cwd=tmp_path)
    assert [end.status for end in ends] == [
        PreemptedError.exit_status,
        PreemptedError.exit_status,
    ], ends[0].err
    assert 'a signal to another process: stopped at iteration 6 of 12' in ends[0].err
    assert tiny.last_checkpoint(tmp_path / 'work')['meta']['iter'] == 6
    ends = run_on(2, 'train.py', config, *work, '--resume', *half, NEVER, cwd=tmp_path)
    assert [end.status for end in ends] == [0, 0], ends[0].err
    assert sorted(by_step(tmp_path / 'work')) == list(range(1, ITERATIONS + 1))


@pytest.mark.slow
@pytest.mark.parametrize('rank', [0, 1])
def test_two_processes_during_a_validation(rank, data, tmp_path):
    signalled = f"at='validation', number=1, rank={rank}"
    config = tiny.write_config(
        tmp_path / 'tiny.py', data, SIGNALLED.format(signalled=signalled, accumulation=1)
    )
    half = ('--cfg-options', 'train_dataloader.batch_size=4', 'val_dataloader.batch_size=2')
    ends = run_on(2, 'train.py', config, '--work-dir', tmp_path / 'work', *half, cwd=tmp_path)
    assert [end.status for end in ends] == [
        PreemptedError.exit_status,
        PreemptedError.exit_status,
    ], ends[0].err
    assert tiny.last_checkpoint(tmp_path / 'work')['meta']['iter'] == 4
    assert not by_step(tmp_path / 'work', 'knn/top1_k5')


def test_workers_outlive_signals_to_the_whole_job(data, tmp_path):
    """The window needs batches that no worker has begun when the signals come."""
    workers = {
        'train_dataloader.num_workers': 2,
        'train_dataloader.persistent_workers': True,
        'train_dataloader.batch_size': tiny.BATCH // 2,
    }
    signalled = "at='step', number=1, signals=('SIGUSR1', 'SIGINT', 'SIGTERM'), to_group=True"
    options = ('--cfg-options', *tiny.as_arguments(workers))
    _config, end = stopped(tmp_path, data, signalled, 6, *options)
    assert end.status == PreemptedError.exit_status, end.err
    assert 'SIGTERM: stopped at iteration 6 of 24' in end.err


@pytest.mark.parametrize('name', ['SIGTERM', 'SIGINT'])
def test_a_second_one_stops_at_once(name, data, tmp_path):
    _config, end = stopped(tmp_path, data, f"at='step', number=6, signals=('{name}', '{name}')")
    assert end.status == -signal.Signals[name]
    assert [path.name for path in (tmp_path / 'work').glob('*.pth')] == ['epoch_1.pth']


def test_a_run_whose_hook_writes_no_resumable_checkpoints(data, tmp_path):
    plain = 'default_hooks.checkpoint.type=CheckpointHook'
    _config, end = stopped(tmp_path, data, "at='step', number=2", 1, '--cfg-options', plain)
    assert end.status == PreemptedError.exit_status
    assert 'without a checkpoint: the config has no ResumableCheckpointHook' in end.err
