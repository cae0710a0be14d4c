"""Colour operations over the batch instead of in the workers."""

from . import tiny
from .test_accumulation import HALF

ON_DEVICE = {'train_dataloader.dataset.pipeline.1.recolor_on_device': True}


def test_a_run_equals_the_workers_up_to_rounding_and_its_micro_batches_exactly(config, tmp_path):
    runs = {
        'worker': tiny.COMPARED,
        'device': {**tiny.COMPARED, **ON_DEVICE},
        'halves': {**HALF, **ON_DEVICE, 'train_dataloader.num_workers': 1},
    }
    for name, options in runs.items():
        tiny.train(config, tmp_path / name, options)
    losses = {name: tiny.logged(tmp_path / name) for name in runs}
    assert 0 < tiny.relative_error(losses['device'], losses['worker']) < 0.01
    pair = [tiny.last_checkpoint(tmp_path / name) for name in ('halves', 'device')]
    tiny.assert_close(*map(tiny.student_and_teacher, pair))
    assert tiny.logged(tmp_path / 'device', 'knn/top1_k5')
