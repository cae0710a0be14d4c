import pytest
from mmengine.hooks import Hook
from mmengine.runner.base_loop import BaseLoop
from torch.utils.data import SequentialSampler


class Record(Hook):
    def __init__(self):
        self.batches, self.epochs = [], []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.batches.append((runner.epoch, batch_idx, data_batch['inputs'][0].clone()))

    def after_train_epoch(self, runner):
        self.epochs.append((runner.epoch, runner.iter))


def run(make_runner, loader, epoch=0, iteration=0, **options):
    record = Record()
    runner = make_runner(hooks=[record], train_dataloader=loader, **options)
    runner.train_loop  # noqa: B018  (built at first access)
    loop = runner._train_loop = runner.build_train_loop(runner._train_loop)
    loop._epoch, loop._iter = epoch, iteration
    runner.train()
    return runner, record


def test_without_a_checkpoint_all_batches_come(make_runner, make_loader):
    loader = make_loader(8, 2)
    _runner, record = run(make_runner, loader)
    assert [(e, i) for e, i, _ in record.batches] == [(e, i) for e in (0, 1) for i in range(4)]
    assert record.epochs == [(0, 4), (1, 8)]
    assert loader.sampler.starts == []


def test_starts_inside_an_epoch(make_runner, make_loader):
    _, whole = run(make_runner, make_loader(8, 2))
    loader = make_loader(8, 2)
    runner, record = run(make_runner, loader, epoch=0, iteration=3)
    assert loader.sampler.starts == [6]
    assert [(e, i) for e, i, _ in record.batches] == [(0, 3)] + [(1, i) for i in range(4)]
    for (*_, actual), (*_, expected) in zip(record.batches, whole.batches[3:], strict=True):
        assert actual.equal(expected)
    assert record.epochs == [(0, 4), (1, 8)]
    assert (runner.iter, runner.epoch) == (8, 2)


@pytest.mark.parametrize(('length', 'batch_size'), [(8, 2), (7, 2)])
def test_starts_at_the_very_end_of_an_epoch(make_runner, make_loader, length, batch_size):
    loader = make_loader(length, batch_size)
    _, record = run(make_runner, loader, epoch=0, iteration=4)
    assert loader.sampler.starts == [length]
    assert [(e, i) for e, i, _ in record.batches] == [(1, i) for i in range(4)]
    assert record.epochs == [(0, 4), (1, 8)]


def test_at_the_beginning_of_an_epoch_nothing_is_left_out(make_runner, make_loader):
    loader = make_loader(8, 2)
    _, record = run(make_runner, loader, epoch=1, iteration=4)
    assert loader.sampler.starts == []
    assert [(e, i) for e, i, _ in record.batches] == [(1, i) for i in range(4)]


@pytest.mark.parametrize(('epoch', 'iteration'), [(1, 3), (0, 5)])
def test_a_changed_length_of_the_epoch_is_an_error(make_runner, make_loader, epoch, iteration):
    with pytest.raises(ValueError, match=r'has 4 iterations now.*train_dataloader\.batch_size'):
        run(make_runner, make_loader(8, 2), epoch, iteration)


def test_a_sampler_that_cannot_start_inside(make_runner, make_loader, views):
    _, whole = run(make_runner, make_loader(8, 2, sampler=SequentialSampler(views(8))))
    loader = make_loader(8, 2, sampler=SequentialSampler(views(8)))
    _, record = run(make_runner, loader, iteration=3)
    assert [(e, i) for e, i, _ in record.batches] == [(0, 3)] + [(1, i) for i in range(4)]
    for (*_, actual), (*_, expected) in zip(record.batches, whole.batches[3:], strict=True):
        assert actual.equal(expected)


class Validations(BaseLoop):
    """Notes when it is run."""

    def __init__(self, runner):
        super().__init__(runner, [])
        self.at = []

    def run(self):
        self.at.append(self.runner.iter)
        self.runner.call_hook('after_val_epoch', metrics={})


@pytest.mark.parametrize(
    ('begin', 'expected'), [(0, [0, 4, 8]), (1, [4, 8]), (2, [8])], ids='val_begin={}'.format
)
def test_validates_from_val_begin_on(make_runner, make_loader, begin, expected):
    options = {'train_cfg': {'type': 'ResumableEpochLoop', 'max_epochs': 2, 'val_begin': begin}}
    runner = make_runner(train_dataloader=make_loader(8, 2), **options)
    runner._val_loop = validations = Validations(runner)
    runner.train()
    assert validations.at == expected
