"""Several processes on gloo."""

import os
import subprocess
import sys

import pytest

from . import tiny
from .exactness import train_on_two_processes
from .processes import run_on, run_tool

ONE_CHECKPOINT = 'default_hooks.checkpoint.interval=3'


def test_two_processes_equal_one(config, tmp_path):
    """Twelve steps, the same images a step: losses, networks and centre."""
    one = tiny.train(config, tmp_path / 'one', tiny.COMPARED)
    train_on_two_processes(config, tmp_path / 'two', tiny.COMPARED)

    losses = tiny.logged(tmp_path / 'one')
    assert one.iter == 12 and len(losses) == 12
    assert tiny.relative_error(tiny.logged(tmp_path / 'two'), losses) < 1e-5
    expected = tiny.last_checkpoint(tmp_path / 'one')
    actual = tiny.last_checkpoint(tmp_path / 'two')
    tiny.assert_close(tiny.student_and_teacher(actual), tiny.student_and_teacher(expected))
    metrics = [tiny.logged(tmp_path / name, 'knn/top1_k5') for name in ('one', 'two')]
    assert metrics[0] == metrics[1] and len(metrics[0]) == 1


def test_left_over_images_and_accumulation_on_two_processes(tmp_path):
    """Seven batches an epoch of one process, in windows of two, whose last spans two epochs."""
    data = tmp_path / 'data'
    tiny.write_images(data / 'train', images=30)
    tiny.write_images(data / 'val', images=6)
    config = tiny.write_config(tmp_path / 'tiny.py', data)
    options = {
        **tiny.COMPARED,
        'optim_wrapper.accumulative_counts': 2,
        'train_dataloader.batch_size': 4,
    }
    tiny.train(config, tmp_path / 'one', options)
    options['train_dataloader.batch_size'] = 2
    ends = run_on(
        2,
        'train.py',
        config,
        '--work-dir',
        tmp_path / 'two',
        '--cfg-options',
        *tiny.as_arguments(options),
        cwd=tmp_path,
    )
    assert [end.status for end in ends] == [0, 0], ends[0].err
    assert tiny.relative_error(tiny.logged(tmp_path / 'two'), tiny.logged(tmp_path / 'one')) < 1e-5
    pair = [tiny.last_checkpoint(tmp_path / name) for name in ('two', 'one')]
    tiny.assert_close(*map(tiny.student_and_teacher, pair))


def test_batch_norm_on_cpus_is_per_process_with_a_warning(config, tmp_path):
    ends = run_on(
        2,
        'train.py',
        config,
        '--work-dir',
        tmp_path / 'work',
        '--cfg-options',
        'model.heads.view.batch_norm=True',
        'train_cfg.max_epochs=2',
        'sync_bn=torch',
        cwd=tmp_path,
    )
    assert [end.status for end in ends] == [0, 0], ends[0].err
    assert 'batch norm uses the statistics of each process' in ends[0].out
    assert [path.name for path in sorted((tmp_path / 'work').glob('*.pth'))] == [
        'epoch_1.pth',
        'epoch_2.pth',
    ]


def test_fewer_images_than_two_processes_need(config, tmp_path):
    ends = run_on(
        2, 'train.py', config, '--cfg-options', 'train_dataloader.batch_size=17', cwd=tmp_path
    )
    assert [end.status for end in ends] == [1, 1]
    assert 'each process has 16 images' in ends[0].err


@pytest.mark.slow
@pytest.mark.parametrize('script', [False, True], ids=['torchrun', 'dist_train.sh'])
def test_launched_by(script, config, tmp_path):
    """Trains, validates and writes one checkpoint, by rank 0."""
    torchrun = [sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node=2']
    torchrun += ['--master_port=29617', str(tiny.ROOT / 'tools/train.py')]
    start = ['bash', str(tiny.ROOT / 'tools/dist_train.sh')] if script else torchrun
    launcher = ['2'] if script else ['--launcher', 'pytorch']
    options = ['--cfg-options', 'train_dataloader.batch_size=4', ONE_CHECKPOINT]
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ['PATH']
    end = subprocess.run(
        [*start, str(config), *launcher, '--work-dir', str(tmp_path / 'work'), *options],
        cwd=tmp_path,
        env={**os.environ, 'OMP_NUM_THREADS': '1', 'PATH': path, 'PORT': '29618'},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert end.returncode == 0, end.stderr
    assert [path.name for path in (tmp_path / 'work').glob('*.pth')] == ['epoch_3.pth']
    assert len(tiny.logged(tmp_path / 'work')) == 12
    assert len(tiny.logged(tmp_path / 'work', 'knn/top1_k5')) == 1


def test_launcher_without_torchrun(config, tmp_path):
    end = run_tool('train.py', config, '--launcher', 'pytorch', cwd=tmp_path)
    assert end.status == 1
    assert 'is for torchrun' in end.err
