from datetime import timedelta

import pytest

from dinomm.report.summary import state
from dinomm.report.work_dir import find_checkpoints, read_run

from .runs import CONFIG, step, write_session


def test_a_run_that_is_going(tmp_path):
    write_session(tmp_path, '1', [step(5), step(10), step(15)])
    run = read_run(tmp_path)
    assert (run.iteration, run.planned, run.per_epoch, run.done) == (15, 40, 10, 0.375)
    assert not run.is_finished()
    assert run.is_going(run.written)
    assert not run.is_going(run.written + timedelta(hours=1))
    assert run.config == CONFIG


def test_a_run_that_says_why_it_stopped(tmp_path):
    write_session(tmp_path, '1', [step(5)])
    with open(tmp_path / '1/1.log', 'a') as log:
        log.write('2026/01/02 03:04:06 - mmengine - INFO - SIGTERM: stopped at iteration 6 of 40\n')
    run = read_run(tmp_path)
    assert not run.is_going(run.written)
    assert state(run, run.written).endswith('It says: SIGTERM: stopped at iteration 6 of 40.')


def test_slow_steps_are_waited_for(tmp_path):
    write_session(tmp_path, '1', [step(5, time=600.0)])
    run = read_run(tmp_path)
    assert run.is_going(run.written + timedelta(hours=2))
    assert not run.is_going(run.written + timedelta(hours=3))


def test_a_finished_run_and_its_tests(tmp_path):
    write_session(tmp_path, '1', [step(40)])
    write_session(tmp_path, '2', [], CONFIG | {'load_from': 'weights.pth'})
    (tmp_path / '2/2.json').write_text('{"knn/top1_k20": 50.0}')  # what a test leaves
    run = read_run(tmp_path)
    assert run.is_finished()
    assert not run.is_going(run.written)
    assert run.config_file == tmp_path / '1/vis_data/config.py'
    assert len(run.logs) == 1


def test_of_overlapping_sessions_the_later_counts(tmp_path):
    write_session(tmp_path, '1', [step(i, loss=float(i)) for i in (5, 10, 15, 20, 25)])
    resumed = CONFIG | {'resume': True}
    write_session(tmp_path, '2', [step(i, loss=100.0 + i) for i in (12, 14)], resumed)
    run = read_run(tmp_path)
    assert run.scalars['loss'] == {5: 5, 10: 10, 12: 112, 14: 114}
    assert run.iteration == 14
    assert run.config['resume'] is True
    assert len(run.logs) == 2


def test_a_session_that_died_before_it_logged(tmp_path):
    write_session(tmp_path, '1', [])
    run = read_run(tmp_path)
    assert (run.scalars, run.iteration, run.checkpoints) == ({}, 0, [])
    assert run.planned is None
    assert run.done == 1


def test_config_alone(tmp_path):
    (tmp_path / 'mine.py').write_text("model = dict(type='A')")
    assert read_run(tmp_path).config_file.name == 'mine.py'


def test_no_work_directory(tmp_path):
    with pytest.raises(ValueError, match='work directory'):
        read_run(tmp_path)
    with pytest.raises(ValueError, match='no folder'):
        read_run(tmp_path / 'absent')


def test_checkpoints_newest_first(tmp_path):
    for name in ('epoch_9', 'epoch_10', 'best_knn_top1_k20_epoch_9', 'other'):
        (tmp_path / f'{name}.pth').touch()
    (tmp_path / '.epoch_11.pth.123.partial').touch()
    names = [path.stem for path in find_checkpoints(tmp_path)]
    assert names == ['epoch_10', 'epoch_9', 'best_knn_top1_k20_epoch_9']
    (tmp_path / 'last_checkpoint').write_text('/moved/elsewhere/epoch_9.pth')
    assert [p.stem for p in find_checkpoints(tmp_path)][:2] == ['epoch_9', 'epoch_10']
    (tmp_path / 'last_checkpoint').write_text('/moved/elsewhere/epoch_8.pth')
    assert [p.stem for p in find_checkpoints(tmp_path)][:2] == ['epoch_10', 'epoch_9']
