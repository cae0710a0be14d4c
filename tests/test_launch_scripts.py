import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TRAIN = str(ROOT / 'tools/train.py')

pytestmark = pytest.mark.skipif(shutil.which('bash') is None, reason='needs bash')


@pytest.fixture
def launch(tmp_path):
    """Runs a script with stand-ins for torchrun and srun that print their arguments by line."""
    for name in ('torchrun', 'srun', 'scontrol'):
        stand_in = tmp_path / name
        exits = 'test $(basename "$0") = srun && exit ${SRUN_STATUS:-0} || true\n'
        stand_in.write_text(f'#!/bin/sh\nprintf "%s\\n" "$(basename "$0")" "$@"\n{exits}')
        stand_in.chmod(0o755)
    (tmp_path / 'my config.py').write_text('')

    def run(script, *arguments, **variables):
        env = {'PATH': f'{tmp_path}{os.pathsep}{os.environ["PATH"]}', 'VIRTUAL_ENV': 'active'}
        return subprocess.run(
            ['bash', str(ROOT / 'tools' / script), *arguments],
            cwd=tmp_path,
            env={**env, **variables},
            capture_output=True,
            text=True,
        )

    return run


@pytest.mark.parametrize(
    'script',
    ['tools/dist_train.sh', 'tools/slurm_train.sh', 'tools/slurm_job.sh', '.ci/run'],
)
def test_scripts_parse_and_can_be_executed(script):
    subprocess.run(['bash', '-n', str(ROOT / script)], check=True)
    assert os.access(ROOT / script, os.X_OK)


def test_dist_train_on_one_machine(launch):
    run = launch('dist_train.sh', 'my config.py', '2', '--cfg-options', 'a.b=1 2')
    assert run.stdout.splitlines() == [
        'torchrun',
        '--nnodes=1',
        '--node_rank=0',
        '--master_addr=127.0.0.1',
        '--master_port=29500',
        '--nproc_per_node=2',
        TRAIN,
        'my config.py',
        '--launcher',
        'pytorch',
        '--cfg-options',
        'a.b=1 2',
    ]


def test_dist_train_on_several_machines(launch):
    machines = {'NNODES': '4', 'NODE_RANK': '3', 'MASTER_ADDR': '10.0.0.1', 'PORT': '1234'}
    run = launch('dist_train.sh', 'my config.py', '8', **machines)
    assert {
        '--nnodes=4',
        '--node_rank=3',
        '--master_addr=10.0.0.1',
        '--master_port=1234',
    } <= set(run.stdout.splitlines())


def test_slurm_train(launch):
    run = launch(
        'slurm_train.sh',
        *('gpu', 'a job', 'my config.py', 'work', '--amp'),
        GPUS='16',
        CPUS_PER_TASK='6',
        SRUN_ARGS='--time=1:00 --exclusive',
    )
    assert run.stdout.splitlines() == [
        'srun',
        '--partition=gpu',
        '--job-name=a job',
        '--gres=gpu:8',
        '--ntasks=16',
        '--ntasks-per-node=8',
        '--cpus-per-task=6',
        '--kill-on-bad-exit=1',
        '--time=1:00',
        '--exclusive',
        'python',
        '-u',
        TRAIN,
        'my config.py',
        '--work-dir',
        'work',
        '--launcher',
        'slurm',
        '--amp',
    ]


def test_slurm_train_asks_for_no_more_gpus_a_node_than_gpus(launch):
    run = launch('slurm_train.sh', 'gpu', 'job', 'my config.py', 'work', GPUS='2')
    assert {'--gres=gpu:2', '--ntasks-per-node=2'} <= set(run.stdout.splitlines())


@pytest.mark.parametrize(
    'command',
    [
        ['dist_train.sh'],
        ['dist_train.sh', 'my config.py'],
        ['dist_train.sh', 'my config.py', 'two'],
        ['dist_train.sh', 'none.py', '2'],
        ['slurm_train.sh', 'gpu', 'job', 'my config.py'],
        ['slurm_train.sh', 'gpu', 'job', 'none.py', 'work'],
        ['slurm_job.sh', 'my config.py', 'work'],  # not in a job
    ],
)
def test_wrong_arguments_print_the_usage(launch, command):
    run = launch(*command)
    assert run.returncode == 2
    assert run.stdout == ''
    assert run.stderr.startswith('Usage: ') and f' tools/{command[0]} ' in run.stderr


JOB = {
    'SLURM_JOB_ID': '77',
    'SLURM_NTASKS': '16',
    'SLURM_NTASKS_PER_NODE': '8',
    'SLURM_JOB_PARTITION': 'gpu',
    'SLURM_JOB_NAME': 'a job',
    'SLURM_SUBMIT_DIR': str(ROOT),
}


@pytest.mark.parametrize(('status', 'requeued'), [(0, False), (1, False), (75, True), (143, False)])
def test_slurm_job_queues_itself_again_after_a_stop_in_good_order(launch, status, requeued):
    run = launch('slurm_job.sh', 'my config.py', 'work', '--amp', SRUN_STATUS=str(status), **JOB)
    assert run.returncode == status
    words = run.stdout.splitlines()
    assert words[0] == 'srun' and {'--ntasks=16', '--ntasks-per-node=8'} <= set(words)
    assert words.index('--kill-on-bad-exit=0') > words.index('--kill-on-bad-exit=1')
    train = words.index(TRAIN)
    assert words[train + 1 : train + 8] == [
        'my config.py',
        '--work-dir',
        'work',
        '--launcher',
        'slurm',
        '--resume',
        '--amp',
    ]
    assert (words[-3:] == ['scontrol', 'requeue', '77']) == requeued


def test_slurm_asks_for_the_signal_that_the_run_answers():
    text = (ROOT / 'tools/slurm_job.sh').read_text()
    assert '#SBATCH --signal=USR1@120' in text and '#SBATCH --requeue' in text
