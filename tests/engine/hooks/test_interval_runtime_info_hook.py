import pytest
import torch
from mmengine.hooks import Hook
from torch.utils._python_dispatch import TorchDispatchMode


class Reads(TorchDispatchMode):
    """Counts the floating-point scalars that are read from a device."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        scalar = func is torch.ops.aten._local_scalar_dense.default
        self.count += scalar and args[0].is_floating_point()
        return func(*args, **(kwargs or {}))


class Record(Hook):
    """Notes outputs, and how many of them the message hub has after each iteration."""

    priority = 'LOWEST'

    def __init__(self):
        self.losses, self.logged = [], []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.losses.append(outputs['loss'].detach())
        scalars = runner.message_hub.log_scalars.get('train/loss')
        self.logged.append(len(scalars.data[0]) if scalars else 0)


def hooks_with(interval=2, runtime_info='IntervalRuntimeInfoHook', **others):
    return {
        'runtime_info': {'type': runtime_info},
        'param_scheduler': {'type': 'OptimizerStepHook'},
        'logger': {'type': 'LoggerHook', 'interval': interval},
        'checkpoint': None,
        **others,
    }


@pytest.mark.parametrize(
    ('interval', 'logged'),
    [
        (1, [1, 2, 3, 4, 5, 6, 7, 8]),
        (2, [0, 2, 2, 4, 4, 6, 6, 8]),
        (3, [0, 0, 3, 4, 4, 4, 7, 8]),  # the rest at the end of the epoch
        (50, [0, 0, 0, 4, 4, 4, 4, 8]),
    ],
)
def test_values_are_read_at_the_interval_all_and_in_order(make_runner, interval, logged):
    runner = make_runner(hooks=[record := Record()], default_hooks=hooks_with(interval))
    runner.train()
    assert record.logged == logged
    for name in ('train/loss', 'train/loss_view'):
        values = runner.message_hub.get_scalar(name).data[0]
        assert values.tolist() == [float(loss) for loss in record.losses]
    assert len(set(record.losses)) == 8


def reads(make_runner, **options):
    # AdamW's step counts are tensors, which it reads on a CPU: no matter of the hook
    optimizer = {'type': 'SGD', 'lr': 0.01}
    wrapper = {'optimizer': optimizer, 'clip_grad': {'max_norm': 1.0}}
    mode, before = Reads(), []

    class Start(Hook):  # initialising the weights reads some
        def before_train(self, runner):
            before.append(mode.count)

    hook_list = hooks_with(4, **options)
    runner = make_runner(wrapper=wrapper, default_hooks=hook_list, hooks=[Start()])
    with mode:
        runner.train()
    return mode.count - before[0]


def test_a_step_reads_nothing_from_the_device(make_runner):
    assert reads(make_runner) == 0
    assert reads(make_runner, runtime_info='RuntimeInfoHook') >= 8  # the test can see it


def test_a_loss_that_is_not_finite_stops_the_run(make_runner):
    class Spoil(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            if runner.iter == 4:
                torch.nn.init.constant_(runner.model.backbone.ln1.weight, float('nan'))

    runner = make_runner(hooks=[Spoil()])
    message = r'loss.* is not finite at iteration 6: .*lower learning rate'
    with pytest.raises(FloatingPointError, match=message):
        runner.train()
    assert runner.iter == 5


def test_speed_and_memory_are_logged(make_runner):
    runner = make_runner()
    runner.train()
    speed = runner.message_hub.get_scalar('train/images_per_s').data[0]
    assert len(speed) == 4 and (speed > 0).all()
    if not torch.cuda.is_available():
        assert 0.05 < runner.message_hub.get_scalar('train/peak_gib').current() < 100


def test_speed_counts_the_images_between_two_readings(make_runner, monkeypatch):
    from dinomm.engine.hooks import interval_runtime_info_hook

    seconds = iter(range(1000))
    monkeypatch.setattr(interval_runtime_info_hook.time, 'perf_counter', lambda: next(seconds))
    runner = make_runner()  # two iterations of two images between the ticks of this clock
    runner.train()
    speed = runner.message_hub.get_scalar('train/images_per_s').data[0]
    assert speed.tolist() == [4.0] * 4


def test_without_a_logger_there_is_an_interval(make_runner):
    hook_list = hooks_with(logger=None)
    runner = make_runner(hooks=[record := Record()], default_hooks=hook_list)
    runner.train()
    assert record.logged == [0, 0, 0, 4, 4, 4, 4, 8]


def test_history_survives_a_checkpoint(make_runner, tmp_path):
    runner = make_runner()
    runner.train()
    runner.save_checkpoint(str(tmp_path), 'run.pth', meta={'epoch': 2, 'iter': 8})
    resumed = make_runner(
        load_from=str(tmp_path / 'run.pth'),
        resume=True,
        train_cfg={'type': 'ResumableEpochLoop', 'max_epochs': 3},
    )
    resumed.train()
    losses, before = (
        r.message_hub.get_scalar('train/loss').data[0].tolist() for r in (resumed, runner)
    )
    assert losses[:8] == before
    assert len(losses) == 12
