"""A data-loading worker that dies or hangs stops the run, with its files' names."""

import time

import pytest

from . import tiny
from .processes import run_tool

FAULTY = """
custom_imports = dict(imports=['tests.integration.kills'])
_base_.train_dataloader.dataset.pipeline.insert(
    0, dict(type='Faulty', path='007.png', how={how!r})
)
train_dataloader = dict(num_workers=2, timeout=4, persistent_workers={persistent})
"""
DIES = 'of train_dataloader (process '
HANGS = 'no batch came for 4 s (train_dataloader.timeout): worker '


@pytest.mark.parametrize(('how', 'says'), [('dies', DIES), ('hangs', HANGS)], ids=['dies', 'hangs'])
def test_says_which_files(how, says, data, tmp_path):
    config = tiny.write_config(
        tmp_path / 'tiny.py', data, FAULTY.format(how=how, persistent=how == 'hangs')
    )
    begin = time.monotonic()
    end = run_tool('train.py', config, '--work-dir', tmp_path / 'work', cwd=tmp_path)
    assert end.status == 1 and 'Traceback' not in end.err, end.err
    message = end.err.splitlines()[-1]
    assert says in message and '--resume' in message
    first = message.partition('Its last files, the newest first: ')[2].split(',')[0]
    assert first.rstrip('.').endswith('/train/class_1/007.png') or '007.png' in first
    if how == 'dies':
        assert ' died: ' in message and 'main memory' in message
    assert time.monotonic() - begin < 60


def test_no_timeout_where_there_are_no_workers(data, tmp_path):
    """torch refuses one there; the configs have one."""
    config = tiny.write_config(tmp_path / 'tiny.py', data)
    runner = tiny.build(config, tmp_path / 'work', {'train_cfg.max_epochs': 2})
    assert runner.cfg.train_dataloader.timeout == runner.cfg.val_dataloader.timeout == 300
    runner.train()
    assert runner.iter == 8


def test_other_errors_of_workers_stay_as_they_are(data, tmp_path):
    config = tiny.write_config(tmp_path / 'tiny.py', data)
    for path in (data / 'few').rglob('*.png'):
        (tmp_path / 'broken').mkdir(exist_ok=True)
        (tmp_path / 'broken' / path.name).write_bytes(b'no picture')
    options = (
        f'train_dataloader.dataset.root={tmp_path / "broken"}',
        'train_dataloader.num_workers=1',
        'train_dataloader.batch_size=4',
        'train_dataloader.dataset.max_bad_images=3',
    )
    end = run_tool('train.py', config, '--cfg-options', *options, cwd=tmp_path)
    assert end.status == 5 and 'Traceback' not in end.err
    assert 'none of the 16 images' in end.err and 'does not get on' not in end.err
