"""What fails before the first step is the config's fault; what fails later keeps its traceback."""

import pytest
from mmengine.hooks import Hook

from dinomm import launch

from . import tiny

BEFORE_THE_FIRST_STEP = {
    'optim_wrapper.optimizer.betas': (3, 'TypeError'),
    'model.heads.view.student_temp': (10**30, 'OverflowError'),
}


@pytest.mark.parametrize('key', BEFORE_THE_FIRST_STEP)
def test_what_fails_before_the_first_step_is_a_sentence(key, data, tmp_path):
    value, reason = BEFORE_THE_FIRST_STEP[key]
    runner = tiny_runner(data, tmp_path, {key: value, 'log_level': 'DEBUG'})
    with pytest.raises(ValueError, match=rf'tiny\.py cannot be trained: .*{reason}') as error:
        launch.train(runner)
    assert launch.is_sentence(error.value)
    (log,) = tmp_path.glob('work/*/*.log')
    assert 'Traceback' in log.read_text()


class FailingHook(Hook):
    def __init__(self, iteration):
        self.iteration = iteration

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == self.iteration:
            raise LookupError('mine')

    def before_test(self, runner):
        raise LookupError('mine')


def test_what_fails_later_keeps_its_traceback(data, tmp_path):
    runner = tiny_runner(data, tmp_path / 'later')
    runner.register_hook(FailingHook(1))
    with pytest.raises(LookupError, match='mine'):
        launch.train(runner)
    runner = tiny_runner(data, tmp_path / 'at once')
    runner.register_hook(FailingHook(0))
    with pytest.raises(ValueError, match=r'cannot be trained: LookupError: mine'):
        launch.train(runner)


def test_what_fails_in_a_test_is_a_sentence(data, tmp_path):
    runner = tiny_runner(data, tmp_path)
    runner.register_hook(FailingHook(0))
    with pytest.raises(ValueError, match=r'tiny\.py cannot be tested: LookupError: mine') as error:
        launch.test(runner)
    assert launch.is_sentence(error.value)


def tiny_runner(data, folder, options=None):
    folder.mkdir(exist_ok=True)
    file = tiny.write_config(folder / 'tiny.py', data)
    config = launch.read_config(str(file), options or {})
    config.work_dir = str(folder / 'work')
    config.experiment_name = str(folder)  # else that of the second, with the logger of another test
    return launch.build_runner(config)
