"""EsViT's region head in whole runs: processes, micro-batches, a kill, wrong checkpoints."""

import pytest
import torch

from . import tiny
from .exactness import KILLED, check_killed_and_resumed, train_on_two_processes
from .processes import run_tool
from .test_accumulation import Movements


@pytest.fixture
def esvit(tmp_path, data):
    """Path of the tiny config with a Swin and a region head."""
    return tiny.write_config(tmp_path / 'esvit.py', data, tiny.REGIONS.format(drop_path=0.0))


@pytest.fixture
def one(esvit, tmp_path):
    """A run of twelve steps on one process, in one piece."""
    runner = tiny.train(esvit, tmp_path / 'one', tiny.REGIONS_COMPARED)
    losses = tiny.logged(tmp_path / 'one')
    assert runner.iter == len(losses) == 12
    assert tiny.logged(tmp_path / 'one', 'loss_region') != tiny.logged(
        tmp_path / 'one', 'loss_view'
    )
    return losses, tiny.student_and_teacher(tiny.last_checkpoint(tmp_path / 'one'))


def test_two_processes_equal_one(esvit, one, tmp_path):
    train_on_two_processes(esvit, tmp_path / 'two', tiny.REGIONS_COMPARED)
    assert tiny.relative_error(tiny.logged(tmp_path / 'two'), one[0]) < 1e-5
    actual = tiny.student_and_teacher(tiny.last_checkpoint(tmp_path / 'two'))
    assert actual['module.heads.region.centering.center'].any()
    tiny.assert_close(actual, one[1])


def test_two_micro_batches_equal_one_batch(esvit, one, tmp_path):
    options = {
        **tiny.REGIONS_COMPARED,
        'optim_wrapper.accumulative_counts': 2,
        'train_dataloader.batch_size': tiny.BATCH // 2,
    }
    runner = tiny.build(esvit, tmp_path / 'halves', options)
    runner.register_hook(movements := Movements('region'))
    runner.train()
    assert (runner.iter, runner.optim_wrapper.steps) == (24, 12)
    assert movements.teacher == movements.center == [True, False] * 11 + [True]
    losses = torch.tensor(tiny.logged(tmp_path / 'halves')).view(-1, 2).mean(1)
    assert tiny.relative_error(losses, one[0]) < 1e-5
    halves = tiny.student_and_teacher(tiny.last_checkpoint(tmp_path / 'halves'))
    tiny.assert_close(halves, one[1])


def test_killed_and_resumed_equals_uninterrupted(tmp_path, data):
    extra = tiny.REGIONS.format(drop_path=0.3) + KILLED
    config = tiny.write_config(tmp_path / 'killed.py', data, extra)
    check_killed_and_resumed(config, tmp_path)


@pytest.fixture
def checkpoint(esvit, tmp_path):
    """A checkpoint of the view loss alone."""
    runner = tiny.build(esvit, tmp_path / 'view', {'train_cfg.max_epochs': 2})
    del runner.model.heads['region']
    runner.train()
    return tmp_path / 'view/epoch_2.pth'


def test_a_checkpoint_without_the_region_head(checkpoint, esvit, tmp_path):
    """Names the head when it is needed; evaluation needs the backbone alone."""
    for arguments in (['--resume', checkpoint], ['--cfg-options', f'load_from={checkpoint}']):
        end = run_tool('train.py', esvit, *arguments, cwd=tmp_path)
        assert end.status == 1 and 'Traceback' not in end.err
        assert 'the checkpoint has no weights of model.heads.region.' in end.err
        assert "TeacherEMAHook.allow_missing=['heads.region.']" in end.err
    allowed = 'custom_hooks.0.allow_missing=heads.region.'
    options = ('--cfg-options', f'load_from={checkpoint}', allowed, 'train_cfg.max_epochs=2')
    end = run_tool('train.py', esvit, *options, cwd=tmp_path)
    assert end.status == 0, end.err
    end = run_tool('test.py', esvit, checkpoint, cwd=tmp_path)
    assert end.status == 0, end.err


SENTENCES = {
    'in_channels': (
        ['model.heads.region.in_channels=12'],
        ['model.heads.region.in_channels is 12', 'model.heads.region.in_channels=24'],
    ),
    'window': (
        ['model.backbone.pad_small_map=False', 'model.backbone.window_size=4'],
        ['is smaller than the attention window of 4', 'model.backbone.pad_small_map=True'],
    ),
}


@pytest.mark.parametrize('case', SENTENCES)
def test_wrong_options(case, esvit, tmp_path):
    options, says = SENTENCES[case]
    end = run_tool('train.py', esvit, '--cfg-options', *options, cwd=tmp_path)
    assert end.status == 1 and 'Traceback' not in end.err
    for words in says:
        assert words in end.err
