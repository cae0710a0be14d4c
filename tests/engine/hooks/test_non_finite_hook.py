from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import Hook

from dinomm.engine import NonFiniteHook
from dinomm.engine.stopping import NotFiniteError

NAN = float('nan')


class Spoil(Hook):
    """Makes the student's features NaN in some iterations, counted from 0."""

    def __init__(self, *iterations):
        self.iterations = iterations

    def before_train(self, runner):
        def spoil(module, inputs, outputs):
            if runner.iter in self.iterations:
                return tuple(output * NAN for output in outputs)

        runner.model.backbone.register_forward_hook(spoil)


class SpoilGradient(Hook):
    """Makes one gradient infinite, the loss being finite."""

    def __init__(self, *iterations):
        self.iterations = iterations

    def before_train(self, runner):
        runner.model.backbone.ln1.weight.register_hook(
            lambda grad: grad * float('inf') if runner.iter in self.iterations else grad
        )


class State(Hook):
    """All that moves in a step, after each iteration."""

    priority = 'VERY_LOW'

    def __init__(self):
        self.states = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        model = runner.model
        tensors = {f's.{k}': v for k, v in model.state_dict().items()}
        tensors |= {f't.{k}': v for k, v in model.teacher.state_dict().items()}
        for i, state in runner.optim_wrapper.optimizer.state_dict()['state'].items():
            tensors |= {f'o.{i}.{name}': torch.as_tensor(value) for name, value in state.items()}
        tensors['scheduled'] = torch.tensor([s.last_step for s in runner.param_schedulers])
        tensors['steps'] = torch.tensor(runner.optim_wrapper.steps)
        self.states.append({name: value.clone() for name, value in tensors.items()})


def named(loader):
    """Gives the batches the names of their images."""
    collate, count = loader.collate_fn, iter(range(10**6))

    def with_names(samples):
        names = [SimpleNamespace(img_path=f'photos/{next(count)}.jpg') for _ in samples]
        return {**collate(samples), 'data_samples': names}

    loader.collate_fn = with_names
    return loader


@pytest.fixture
def run(make_runner, make_loader):
    """Trains eight iterations with a spoiler."""

    def train(*hooks, guard=None, counts=1, fused=False, resumed=None, **options):
        optimizer = {'type': 'AdamW', 'lr': 1e-2, 'fused': fused}
        default = {
            'runtime_info': {'type': 'IntervalRuntimeInfoHook'},
            'param_scheduler': {'type': 'OptimizerStepHook'},
            'logger': {'type': 'LoggerHook', 'interval': 2},
            'checkpoint': {'type': 'ResumableCheckpointHook', 'interval': 100},
            'non_finite': {'type': 'NonFiniteHook', **(guard or {})},
        }
        runner = make_runner(
            wrapper={
                'optimizer': optimizer,
                'accumulative_counts': counts,
                'clip_grad': {'max_norm': 1.0},
            },
            model={'head': {'batch_norm': True}},
            hooks=list(hooks),
            default_hooks=default,
            param_scheduler=[{'type': 'LinearLR', 'begin': 0, 'end': 8, 'by_epoch': False}],
            train_dataloader=named(make_loader()),
            **({'load_from': str(resumed), 'resume': True} if resumed else {}),
            **options,
        )
        runner.train()
        return runner

    return train


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def lines(runner):
    return listed(runner).read_text().splitlines()


def listed(runner):
    return Path(runner.work_dir) / 'bad_batches.txt'


@pytest.mark.parametrize('fused', [False, True])
@pytest.mark.parametrize('spoiler', [Spoil, SpoilGradient])
def test_a_skipped_step_moves_nothing(run, spoiler, fused):
    states = State()
    runner = run(spoiler(3), states, fused=fused)
    before, after, later = states.states[2:5]
    assert equal(before, after)
    assert not equal(after, later)
    assert all(value.isfinite().all() for value in later.values())
    assert states.states[-1]['steps'] == 7
    what = 'the loss' if spoiler is Spoil else 'a gradient'
    assert lines(runner) == [
        f'# iteration 4: {what} is not finite, 2 images',
        'photos/6.jpg',
        'photos/7.jpg',
    ]


def test_without_a_fault_nothing_is_written(run):
    runner = run()
    assert runner.optim_wrapper.steps == 8
    assert not listed(runner).exists()


def test_schedules_and_moments_wait_for_the_next_step(run):
    spoiled, whole = State(), State()
    run(Spoil(0), spoiled)
    run(whole)
    assert spoiled.states[1]['scheduled'] == whole.states[0]['scheduled']
    assert spoiled.states[1]['o.0.step'] == whole.states[0]['o.0.step'] == 1


def test_of_an_accumulation_window_the_faulty_part_is_named(run):
    states = State()
    runner = run(Spoil(4), states, counts=3)
    assert equal(states.states[2], states.states[5])
    assert states.states[-1]['steps'] == 2
    assert lines(runner) == [
        '# iteration 6: the loss is not finite, 2 images',
        'photos/8.jpg',
        'photos/9.jpg',
    ]
    runner = run(SpoilGradient(4), counts=3)
    assert len(lines(runner)) == 1 + 6


def test_after_some_in_a_row_the_run_stops_and_can_be_resumed(run):
    states = State()
    message = r'3 steps in a row .* up to iteration 6; the last good state is in \S*iter_6\.pth\. '
    advice = r'--resume with optim_wrapper\.clip_grad\.max_norm=0\.3;.*lr=0\.005; bad_batches\.txt'
    with pytest.raises(NotFiniteError, match=message + '.*' + advice) as caught:
        run(Spoil(1, 3, 4, 5), states, guard={'max_in_a_row': 3})
    assert caught.value.exit_status == 4
    path = str(caught.value).partition('state is in ')[2].partition('. ')[0]
    checkpoint = torch.load(path, weights_only=True)
    assert checkpoint['meta']['skipped_steps'] == 4
    assert checkpoint['meta']['iter'] == 6
    last_good = states.states[2]
    for name, value in checkpoint['state_dict'].items():
        of = 's' if 'centering' in name else 't'  # the centres live in the student
        assert torch.equal(value, last_good[f'{of}.{name}']), name
        assert torch.equal(checkpoint['ema_state_dict'][f'module.{name}'], last_good[f's.{name}'])
    resumed = State()
    runner = run(resumed, resumed=path)
    assert len(resumed.states) == 2
    assert runner.optim_wrapper.steps == 4
    (guard,) = [hook for hook in runner.hooks if isinstance(hook, NonFiniteHook)]
    assert guard.skipped == 4


def test_single_faults_do_not_stop_a_run(run):
    runner = run(Spoil(0, 2, 4, 6), guard={'max_in_a_row': 2})
    assert runner.optim_wrapper.steps == 4


def test_weights_that_are_not_finite_are_not_written(run):
    class Break(Hook):
        priority = 'VERY_LOW'

        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            if runner.iter == 2:
                torch.nn.init.constant_(runner.model.backbone.ln1.weight, NAN)

    with pytest.raises(NotFiniteError, match='was not written, as its weights are not finite'):
        run(Break(), guard={'max_in_a_row': 2})


def test_a_scaler_that_looks_for_its_scale_is_no_fault(run):
    class Scaler:
        """Skips all steps, as float16's does with too large a scale."""

        def __init__(self, scale):
            self.value = scale

        def get_scale(self):
            return self.value

    def skipping(scale):
        class Skip(Hook):
            def before_train(self, runner):
                wrapper = runner.optim_wrapper
                wrapper.loss_scaler = Scaler(scale)
                wrapper._step = lambda **_: None

        return Skip()

    runner = run(skipping(1024.0), guard={'max_in_a_row': 2})
    assert not listed(runner).exists()
    with pytest.raises(NotFiniteError, match='a gradient was not finite'):
        run(skipping(0.5), guard={'max_in_a_row': 2})
    with pytest.raises(NotFiniteError, match='the loss was not finite'):
        run(skipping(1024.0), Spoil(0, 1), guard={'max_in_a_row': 2})


def test_a_new_run_begins_without_the_old_list(run):
    runner = run(Spoil(0))
    again = run(work_dir=runner.work_dir)
    assert not listed(again).exists()


def test_losses_of_skipped_steps_are_not_logged(run):
    runner = run(Spoil(1))
    values = runner.message_hub.get_scalar('train/loss').data[0]
    assert len(values) == 7
    assert all(value == value for value in values)


@pytest.mark.parametrize('value', [0, 2.0, True])
def test_wrong_use(value):
    with pytest.raises(ValueError, match=r'max_in_a_row is .*: expected a whole number from 1'):
        NonFiniteHook(max_in_a_row=value)
