import json
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import Hook

from dinomm.engine import HealthHook
from dinomm.engine.hooks import health_hook
from dinomm.engine.stopping import CollapseError
from dinomm.evaluation.verdict import Verdict

from .test_interval_runtime_info_hook import Reads


def hooks_with(interval=2, **health):
    return {
        'runtime_info': {'type': 'IntervalRuntimeInfoHook'},
        'param_scheduler': {'type': 'OptimizerStepHook'},
        'logger': {'type': 'LoggerHook', 'interval': interval},
        'checkpoint': {'type': 'ResumableCheckpointHook', 'interval': 100},
        'non_finite': {'type': 'NonFiniteHook'},
        'health': {'type': 'HealthHook', **health},
    }


def hook_of(runner):
    (hook,) = [hook for hook in runner.hooks if isinstance(hook, HealthHook)]
    return hook


class Logged(Hook):
    """What the tracker and the log were told."""

    priority = 'VERY_HIGH'

    def __init__(self):
        self.scalars, self.warnings = {}, []

    def before_train(self, runner):
        runner.visualizer.add_scalars = lambda values, step, file_path=None: (
            self.scalars.setdefault(step, {}).update(values)
        )
        runner.logger.warning = self.warnings.append


def measured(logged):
    return [
        step for step, values in logged.scalars.items() if any('health/' in name for name in values)
    ]


@pytest.mark.parametrize(
    ('interval', 'counts', 'steps'),
    [(2, 1, [2, 4, 6, 8]), (3, 1, [3, 4, 7, 8]), (50, 1, [4, 8]), (2, 3, [2, 4, 6, 8])],
)
def test_the_logged_steps_are_measured(make_runner, interval, counts, steps):
    logged = Logged()
    runner = make_runner(
        hooks=[logged],
        default_hooks=hooks_with(interval),
        wrapper={'accumulative_counts': counts, 'clip_grad': {'max_norm': 1.0}},
    )
    runner.train()
    assert measured(logged) == steps
    names = {name for name in logged.scalars[steps[-1]] if name.startswith('health/')}
    assert names == {
        'health/view/cross_entropy',
        'health/view/target_entropy',
        'health/view/kl',
        'health/view/prototypes_used',
        'health/cosine',
        'health/feature_std_student',
        'health/feature_std_teacher',
        'health/effective_rank_student',
        'health/effective_rank_teacher',
        'health/weight_distance',
        'health/grad_norm',
    }
    assert not any('loss' in name for name in names)
    content = json.loads((Path(runner.work_dir) / 'health.json').read_text())
    assert content['iteration'] == 8 and content['done'] == 1.0
    assert content['measures']['health/view/kl']['iteration'] == 8
    assert content['heads'][0]['prototypes'] == 20
    assert {v['subject'] for v in content['verdicts']} >= {'Features', 'Gradient', 'k-NN'}


def test_cross_entropy_is_the_logged_loss(make_runner):
    logged = Logged()
    runner = make_runner(hooks=[logged], default_hooks=hooks_with())
    runner.train()
    losses = runner.message_hub.get_scalar('train/loss').data[0]
    for step in (2, 4, 6, 8):
        values = logged.scalars[step]
        assert values['health/view/cross_entropy'] == pytest.approx(losses[step - 1], rel=1e-6)
        total = values['health/view/kl'] + values['health/view/target_entropy']
        assert total == pytest.approx(losses[step - 1], rel=1e-5)


def trained(make_runner, default_hooks, **options):
    runner = make_runner(default_hooks=default_hooks, **options)
    runner.train()
    return runner


def test_training_is_not_changed_by_it(make_runner):
    added = ('health', 'non_finite')
    without = {name: hook for name, hook in hooks_with().items() if name not in added}
    model = {'head': {'batch_norm': True}}
    one, other = (trained(make_runner, h, model=model) for h in (hooks_with(), without))
    for network in (lambda r: r.model, lambda r: r.model.teacher):
        a, b = (network(runner).state_dict() for runner in (one, other))
        assert all(torch.equal(a[name], b[name]) for name in b)


def test_a_step_that_is_not_logged_reads_nothing_from_the_device(make_runner):
    mode, counts = Reads(), []

    class Count(Hook):
        priority = 'HIGH'

        def before_train_iter(self, runner, batch_idx, data_batch=None):
            counts.append(mode.count)

    optimizer = {'type': 'SGD', 'lr': 0.01}
    runner = make_runner(
        wrapper={'optimizer': optimizer, 'clip_grad': {'max_norm': 1.0}},
        default_hooks=hooks_with(3),
        hooks=[Count()],
    )
    with mode:
        runner.train()
    # of eight steps the third and, at the epoch's end, the fourth are logged, of four each
    gained = [after - before for before, after in pairwise(counts)]
    assert [gained[i] for i in (0, 1, 4, 5)] == [0, 0, 0, 0]
    assert gained[2] > 0 and gained[3] > 0


MASKED = {
    'masking': {'type': 'PatchMasking', 'min_cells': 1, 'share': 0.5},
    'heads': {
        'view': {
            'type': 'DINOHead',
            'in_channels': 12,
            'num_prototypes': 20,
            'centering': {'type': 'SinkhornKnopp'},
        },
        'patch': {'type': 'MaskedPatchHead', 'in_channels': 12, 'num_prototypes': 24},
        'koleo': {'type': 'KoLeoHead'},
        'gram': {'type': 'GramHead'},
        'region': {'type': 'RegionMatchingHead', 'in_channels': 12, 'num_prototypes': 28},
    },
}


def test_all_heads_under_autocast_with_a_compiled_backbone(make_runner, tiny_model):
    model = tiny_model(**MASKED, compile_backbone={'backend': 'eager'})
    model['backbone']['mask_token'] = True
    for head in model['heads'].values():
        if 'in_channels' in head:
            head.update(hidden_channels=16, bottleneck_channels=8)
    logged = Logged()
    runner = make_runner(
        model=model,
        hooks=[logged, {'type': 'GramAnchorHook'}],
        default_hooks=hooks_with(),
        wrapper={'type': 'DINOAmpOptimWrapper', 'clip_grad': {'max_norm': 3.0, 'per': 'part'}},
    )
    runner.train()
    values = {name: v for step in logged.scalars.values() for name, v in step.items()}
    for head, prototypes in (('view', 20), ('patch', 24), ('region', 28)):
        assert 0 < values[f'health/{head}/target_entropy'] <= torch.tensor(prototypes).log() + 1e-5
        assert values[f'health/{head}/kl'] > -1e-3
        assert 1 <= values[f'health/{head}/prototypes_used'] <= prototypes + 1e-3
    assert not any('koleo' in name or 'gram' in name for name in values if 'health' in name)
    facts = {head.name: head for head in health_hook.run_facts(runner).heads}
    assert facts['koleo'].images == facts['view'].images == 2
    assert facts['gram'].images == 0


def test_a_skipped_step_is_not_measured(make_runner):
    class Spoil(Hook):
        def before_train(self, runner):
            runner.model.backbone.ln1.weight.register_hook(
                lambda grad: grad * float('nan') if runner.iter == 3 else grad
            )

    logged = Logged()
    make_runner(hooks=[Spoil(), logged], default_hooks=hooks_with()).train()
    assert measured(logged) == [2, 6, 8]


@pytest.fixture
def judged(monkeypatch):
    """Replaces the rules by what a test says of each measurement."""

    def replace(*verdicts):
        steps = iter(verdicts)
        monkeypatch.setattr(health_hook, 'judge_measures', lambda *_: [next(steps)])
        monkeypatch.setattr(health_hook, 'judge_knn', lambda *_: Verdict('unknown', 'k-NN', 'none'))

    return replace


BAD = Verdict('bad', 'Collapse, head view', 'It collapsed: turn the knob.', is_collapse=True)
GOOD = Verdict('good', 'Collapse, head view', 'Fine.')


@pytest.mark.parametrize(
    ('repeat', 'verdicts', 'told'),
    [
        (100, [BAD] * 8, 1),
        (3, [BAD] * 8, 3),
        (100, [BAD, BAD, GOOD, BAD, GOOD, GOOD, GOOD, GOOD], 2),
        (1, [GOOD] * 8, 0),
        (1, [BAD._replace(state='watch')] * 8, 0),
    ],
)
def test_a_bad_verdict_is_told_once_and_rarely_again(make_runner, judged, repeat, verdicts, told):
    judged(*verdicts)
    logged = Logged()
    make_runner(hooks=[logged], default_hooks=hooks_with(1, repeat=repeat)).train()
    texts = [text for text in logged.warnings if text.startswith('health')]
    assert texts == ['health, Collapse, head view: It collapsed: turn the knob.'] * told


def test_it_stops_with_a_checkpoint_if_asked_to(make_runner, judged):
    judged(GOOD, GOOD, BAD)
    message = r'stopped at iteration 6 \(--stop-on-collapse; checkpoint \S*iter_6\.pth\): It coll'
    with pytest.raises(CollapseError, match=message) as caught:
        make_runner(default_hooks=hooks_with(stop_on_collapse=True)).train()
    assert caught.value.exit_status == 3
    path = str(caught.value).partition('checkpoint ')[2].partition(')')[0]
    judged(GOOD)
    resumed = make_runner(default_hooks=hooks_with(), load_from=path, resume=True)
    resumed.train()
    assert resumed.optim_wrapper.steps == 8
    hook = hook_of(resumed)
    assert list(hook.scalars['health/view/kl']) == [2, 4, 6, 8]
    assert hook._first_step == 0


def test_a_collapse_at_the_end_stops_too(make_runner, judged):
    judged(GOOD, GOOD, GOOD, BAD)
    with pytest.raises(CollapseError, match='iteration 8'):
        make_runner(default_hooks=hooks_with(stop_on_collapse=True)).train()


def test_without_being_asked_it_goes_on(make_runner, judged):
    judged(*[BAD] * 4)
    runner = make_runner(default_hooks=hooks_with())
    runner.train()
    assert runner.optim_wrapper.steps == 8


def test_past_measures_are_bounded(make_runner, monkeypatch):
    monkeypatch.setattr(health_hook, 'KEPT', 3)
    runner = trained(make_runner, hooks_with(1))
    assert list(hook_of(runner).scalars['health/cosine']) == [6, 7, 8]


def test_the_share_that_is_done_counts_from_where_the_hook_began():
    runner = SimpleNamespace(
        optim_wrapper=SimpleNamespace(steps=6, accumulative_counts=2), max_iters=16
    )
    hook = HealthHook()
    assert hook._done(runner) == 6 / 8
    hook._first_step = 4  # resumed from a run without it
    assert hook._done(runner) == 2 / 4


@pytest.mark.parametrize(
    ('centering', 'images'), [('MeanCentering', 6), ('SinkhornKnopp', 2)], ids=str
)
def test_images_that_a_centering_sees_at_once(make_runner, centering, images):
    runner = trained(
        make_runner,
        hooks_with(),
        wrapper={'accumulative_counts': 3, 'clip_grad': {'max_norm': 0.5}},
        model={'head': {'centering': {'type': centering}}},
    )
    facts = health_hook.run_facts(runner)
    assert (facts.heads[0].centering, facts.heads[0].images) == (centering, images)
    assert (facts.images, facts.lr, facts.max_norm) == (2, 1e-2, 0.5)


def test_the_distance_is_taken_before_the_teacher_moves(make_runner):
    copies = {'momentum': 0.0, 'end_momentum': 0.0}  # a teacher that follows at once
    runner = trained(make_runner, hooks_with(), teacher=copies)
    assert all(hook_of(runner).scalars['health/weight_distance'].values())


def test_k_nn_is_taken_from_the_validation(make_runner):
    runner = trained(make_runner, hooks_with())
    hook = hook_of(runner)
    for accuracy in (50.0, 40.0):
        runner.train_loop._iter += 1  # after all steps: the whole run is done
        hook.after_val_epoch(runner, {'knn/top1_k20': accuracy, 'knn/top5_k20': 0.0})
    (verdict,) = [v for v in hook.verdicts if v.subject == 'k-NN']
    assert verdict.state == 'bad' and '50.0 % at first' in verdict.text


def test_k_nn_is_judged_at_validations_alone(make_runner):
    class Validate(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            if runner.iter in (0, 2):
                hook_of(runner).after_val_epoch(runner, {'knn/top1_k20': 50.0})

    runner = trained(make_runner, hooks_with(1), hooks=[Validate()])
    (verdict,) = [v for v in hook_of(runner).verdicts if v.subject == 'k-NN']
    assert verdict.state == 'unknown' and 'not risen yet (50.0 % before training' in verdict.text


@pytest.mark.parametrize('value', [0, 1.5, False])
def test_wrong_use(value):
    with pytest.raises(ValueError, match=r'health\.repeat is .*: expected a whole number from 1'):
        HealthHook(repeat=value)
