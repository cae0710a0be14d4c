from datetime import datetime

import pytest

from dinomm.report.training_log import read_training_log

from .runs import LOG


def read(tmp_path, text):
    file = tmp_path / 'run.log'
    file.write_text(text)
    return read_training_log(file)


def test_environment(tmp_path):
    log = read(tmp_path, LOG)
    assert log.processes == 2
    assert log.environment['PyTorch'] == '2.4.0'
    assert log.environment['GPU 0'] == 'Fast <b>GPU</b>'
    assert log.environment['seed'] == '3'
    assert 'GCC' not in log.environment


def test_progress_by_epoch(tmp_path):
    line = '2026/01/02 04:04:05 - mmengine - INFO - Epoch(train)  [3][ 5/62]  base_lr: 1  lo'
    log = read(tmp_path, LOG + line)  # cut short
    assert (log.iteration, log.per_epoch) == (129, 62)
    assert log.duration.total_seconds() == 3600
    assert log.started == datetime(2026, 1, 2, 3, 4, 5)


def test_progress_by_iteration(tmp_path):
    line = '2026/01/02 03:04:06 - mmengine - INFO - Iter(train) [ 100/5000]  lr: 1\n'
    log = read(tmp_path, line)
    assert (log.iteration, log.per_epoch, log.processes) == (100, None, 1)


@pytest.mark.parametrize(
    ('line', 'says'),
    [
        (
            '2026/01/02 03:04:06 - mmengine - INFO - SIGTERM: stopped at iteration 6 of 9, '
            'checkpoint w/iter_6.pth; go on with --resume',
            'SIGTERM: stopped at iteration 6 of 9, checkpoint w/iter_6.pth; go on with --resume',
        ),
        (
            '2026/01/02 03:04:06 - mmengine - ERROR - /a - b/loops.py - run - 65 - stopped at '
            'iteration 6: the disk - all of it - 3 - is full',
            'stopped at iteration 6: the disk - all of it - 3 - is full',
        ),
    ],
    ids=['asked to', 'error'],
)
def test_why_it_stopped(tmp_path, line, says):
    assert read(tmp_path, LOG + line + '\n').stopped == says
    assert read(tmp_path, LOG).stopped is None


def test_nothing_known(tmp_path):
    for log in (read_training_log(tmp_path / 'absent'), read(tmp_path, '\0\xff rubbish')):
        assert (log.iteration, log.environment, log.duration.total_seconds()) == (0, {}, 0)
