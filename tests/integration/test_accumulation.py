"""Micro-batches of one window make the step of one batch."""

import pytest
import torch
from mmengine.hooks import Hook

from . import tiny

HALF = {
    **tiny.COMPARED,
    'optim_wrapper.accumulative_counts': 2,
    'train_dataloader.batch_size': tiny.BATCH // 2,
}


class Movements(Hook):
    """After which iterations the teacher and a head's centre had moved."""

    priority = 'LOWEST'

    def __init__(self, head='view'):
        self.head = head
        self.teacher, self.center = [], []
        self._last = None

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        network = runner.model.teacher
        now = torch.cat([p.flatten() for p in network.parameters()])
        center = runner.model.heads[self.head].centering.center.clone()
        if self._last is not None:
            self.teacher.append(not torch.equal(now, self._last[0]))
            self.center.append(not torch.equal(center, self._last[1]))
        self._last = now, center


def test_two_micro_batches_equal_one_batch(config, tmp_path):
    whole = tiny.train(config, tmp_path / 'whole', tiny.COMPARED)
    halves = tiny.train(config, tmp_path / 'halves', HALF)

    assert (whole.iter, halves.iter) == (12, 24)
    assert whole.optim_wrapper.steps == halves.optim_wrapper.steps == 12
    pair = [tiny.last_checkpoint(tmp_path / name) for name in ('halves', 'whole')]
    tiny.assert_close(*map(tiny.student_and_teacher, pair))
    for mine, theirs in zip(
        halves.optim_wrapper.param_groups, whole.optim_wrapper.param_groups, strict=True
    ):
        for key in ('lr', 'weight_decay'):
            assert mine[key] == pytest.approx(theirs[key], rel=1e-5), key
    # the loss of a batch is the mean of its micro-batches'
    losses = torch.tensor(tiny.logged(tmp_path / 'halves')).view(-1, 2).mean(1)
    assert tiny.relative_error(losses, tiny.logged(tmp_path / 'whole')) < 1e-5


def test_teacher_and_centre_move_once_a_window(config, tmp_path):
    runner = tiny.build(config, tmp_path, {**HALF, 'train_cfg.max_epochs': 2})
    runner.register_hook(movements := Movements())
    runner.train()
    assert movements.teacher == movements.center == [True, False] * 7 + [True]


def test_windows_that_do_not_divide_the_epoch(tmp_path):
    """An epoch of 7 micro-batches: windows go over its end, the last of the run is smaller."""
    data = tmp_path / 'data'
    tiny.write_images(data / 'train', images=28)
    tiny.write_images(data / 'val', images=6)
    config = tiny.write_config(tmp_path / 'tiny.py', data)
    runner = tiny.build(config, tmp_path / 'work', HALF)
    runner.register_hook(movements := Movements())
    runner.train()
    assert runner.iter == 21
    assert runner.optim_wrapper.steps == 11
    assert movements.teacher == [True, False] * 9 + [True, True]
    # schedules count steps too: 10.5 of them, so the rate has come down
    assert 1e-6 < runner.optim_wrapper.param_groups[0]['lr'] < 1e-4
