import pytest
import torch
from mmengine.hooks import Hook

from dinomm.engine import DINOOptimWrapper
from dinomm.engine.hooks import optimizer_step_hook
from dinomm.engine.hooks.optimizer_step_hook import step_seed


class Record(Hook):
    """Notes what each iteration used and left, and keeps a checkpoint of each."""

    priority = 'LOWEST'

    def __init__(self, save_to=None):
        self.save_to = save_to
        self.seeds, self.epochs, self.centers, self.scheduled = [], [], [], []
        self.parts = []

    def before_train(self, runner):
        model = runner.model
        start_step = model.start_step
        model.start_step = lambda clock, part: (
            self.epochs.append(clock.epoch),
            self.parts.append(part),
            start_step(clock, part),
        )

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.seeds.append(torch.initial_seed())
        self.centers.append(runner.model.heads['view'].centering.center.clone())
        self.scheduled.append([scheduler.last_step for scheduler in runner.param_schedulers or []])
        if self.save_to:
            runner.save_checkpoint(str(self.save_to), f'{runner.iter}.pth', by_epoch=False)

    def after_train_epoch(self, runner):
        if self.save_to:
            runner.save_checkpoint(str(self.save_to), f'epoch_{runner.epoch}.pth')


def run(make_runner, make_loader, length=8, counts=1, save_to=None, **options):
    record = Record(save_to)
    runner = make_runner(
        wrapper={'accumulative_counts': counts, **options.pop('wrapper', {})},
        hooks=[record],
        train_dataloader=make_loader(length),
        **options,
    )
    runner.train()
    return runner, record


def test_seeds_depend_on_seed_iteration_and_rank():
    seeds = [step_seed(*key) for key in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1))]
    assert len(set(seeds)) == len(seeds)
    assert seeds == [
        step_seed(*key) for key in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1))
    ]
    torch.manual_seed(step_seed(2**40, 10**9, 4000))


def test_every_iteration_is_seeded(make_runner, make_loader, monkeypatch):
    monkeypatch.setattr(optimizer_step_hook, 'get_rank', lambda: 3)
    _, record = run(make_runner, make_loader, randomness={'seed': 7})
    assert record.seeds == [step_seed(7, iteration, 3) for iteration in range(8)]


@pytest.mark.parametrize(
    ('length', 'counts', 'epochs'),
    [
        (8, 1, [0] * 4 + [1] * 4),
        (8, 2, [0] * 4 + [1] * 4),
        (6, 2, [0, 0, 0, 0, 1, 1]),  # 1.5 steps an epoch: the second window lies in both
    ],
)
def test_epochs_are_counted_in_performed_steps(make_runner, make_loader, length, counts, epochs):
    _, record = run(make_runner, make_loader, length, counts)
    assert record.epochs == epochs


def test_skipped_steps_do_not_count(make_runner, make_loader, monkeypatch):
    runner = make_runner(
        hooks=[record := Record()],
        train_dataloader=make_loader(),
        param_scheduler=[{'type': 'LinearLR', 'by_epoch': False, 'end': 9}],
    )
    step = DINOOptimWrapper.step
    monkeypatch.setattr(
        DINOOptimWrapper, 'step', lambda self, **options: runner.iter >= 2 and step(self, **options)
    )
    runner.train()
    assert record.epochs == [0] * 6 + [1] * 2
    assert not record.centers[1].any() and record.centers[2].any()
    assert [last for (last,) in record.scheduled] == [0, 0, 1, 2, 3, 4, 5, 6]


def test_the_wrapper_is_told_the_epoch_too(make_runner, make_loader):
    runner, _ = run(make_runner, make_loader, wrapper={'freeze_last_layer': 1})
    assert not runner.optim_wrapper.last_layer_frozen
    runner, _ = run(make_runner, make_loader, wrapper={'freeze_last_layer': 2})
    assert runner.optim_wrapper.last_layer_frozen


def test_centre_and_schedulers_move_once_a_window(make_runner, make_loader):
    scheduler = {'type': 'LinearLR', 'by_epoch': False, 'end': 9}
    _, record = run(make_runner, make_loader, counts=2, param_scheduler=[scheduler])
    assert [last for (last,) in record.scheduled] == [0, 1, 1, 2, 2, 3, 3, 4]
    changed = [not a.equal(b) for a, b in zip(record.centers, record.centers[1:], strict=False)]
    assert changed == [True, False, True, False, True, False, True]
    assert not record.centers[0].any()


def test_centre_of_a_window_is_that_of_one_large_batch(make_runner, make_loader):
    _, micro = run(make_runner, make_loader, counts=2)
    runner = make_runner(hooks=[whole := Record()], train_dataloader=make_loader(8, 4))
    runner.train()
    torch.testing.assert_close(micro.centers[1], whole.centers[0])
    torch.testing.assert_close(micro.centers[-1], whole.centers[-1], atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(
    ('length', 'dates'), [(8, [0, 2, 2, 4, 4, 6, 6, 8]), (6, [0, 2, 2, 4, 4, 6])]
)
def test_checkpoints_are_dated_to_the_start_of_the_window(
    make_runner, make_loader, tmp_path, length, dates
):
    run(make_runner, make_loader, length, counts=2, save_to=tmp_path)
    files = [tmp_path / f'{iteration}.pth' for iteration in range(len(dates))]
    assert [torch.load(file, weights_only=True)['meta']['iter'] for file in files] == dates


def test_an_epoch_that_ends_inside_a_window_is_not_over(make_runner, make_loader, tmp_path):
    run(make_runner, make_loader, length=6, counts=2, save_to=tmp_path)
    meta = torch.load(tmp_path / 'epoch_0.pth', weights_only=True)['meta']
    assert (meta['iter'], meta['epoch']) == (2, 0)
    meta = torch.load(tmp_path / 'epoch_1.pth', weights_only=True)['meta']
    assert (meta['iter'], meta['epoch']) == (6, 2)


@pytest.mark.parametrize('name', ['2', '3', '4', 'epoch_0'])
def test_resumed_inside_a_window_gives_the_same(make_runner, make_loader, tmp_path, name):
    scheduler = {'type': 'CosineAnnealingLR', 'convert_to_iter_based': True, 'end': 2}
    options = {'length': 6, 'counts': 2, 'param_scheduler': [scheduler]}
    whole, _ = run(make_runner, make_loader, save_to=tmp_path, **options)
    file = str(tmp_path / f'{name}.pth')
    resumed, _ = run(make_runner, make_loader, load_from=file, resume=True, **options)
    for network, again in (
        (whole.model, resumed.model),
        (whole.model.teacher, resumed.model.teacher),
    ):
        for name, value in network.state_dict().items():
            if not name.endswith('centering.center'):  # the students', compared below
                assert torch.equal(value, again.state_dict()[name]), name
    centers = [runner.model.heads['view'].centering.center for runner in (whole, resumed)]
    assert torch.equal(*centers)
