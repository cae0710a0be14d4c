"""Verdicts in whole runs: collapses made on purpose, steps that are not finite."""

import json

import pytest
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from dinomm.datasets.embedded import write_digits
from dinomm.engine.stopping import CollapseError

from . import tiny
from .exactness import train_on_two_processes
from .processes import run_on, run_tool

CONFIG = tiny.ROOT / 'configs/dino/quickstart_digits.py'
SMALL = {
    'train_dataloader.batch_size': 32,
    'train_dataloader.num_workers': 0,
    'train_dataloader.persistent_workers': False,
    'train_dataloader.sampler.epoch_size': 640,
    'train_dataloader.dataset.pipeline.1.views.1.num': 1,
    'model.backbone.arch.embed_dims': 48,
    'model.backbone.arch.num_layers': 2,
    'model.backbone.arch.feedforward_channels': 96,
    'model.heads.view.in_channels': 48,
    'model.heads.view.hidden_channels': 64,
    'model.heads.view.num_prototypes': 256,
    'custom_hooks.0.momentum': 0.97,  # 80 steps for 1,500: all goes faster
    'optim_wrapper.optimizer.lr': 3e-3,
    'optim_wrapper.freeze_last_layer': 0,
    'param_scheduler.0.end': 1,
    'param_scheduler.1.begin': 1,
    'train_cfg.max_epochs': 4,
    'default_hooks.logger.interval': 5,
    'default_hooks.checkpoint.interval': 100,
    'default_hooks.checkpoint.save_best': None,
    **dict.fromkeys(('val_cfg', 'val_dataloader', 'val_evaluator')),
    **dict.fromkeys(('test_cfg', 'test_dataloader', 'test_evaluator')),
}
"""The quick start at the size of seconds."""
NO_CENTERING = {'model.heads.view.centering': {'type': 'MeanCentering', 'momentum': 1}}
NO_SHARPENING = {'model.heads.view.teacher_temp': 0.1}
ON_TRAINING = 'train_dataloader.dataset.root'


@pytest.fixture(scope='module')
def digits(tmp_path_factory):
    return write_digits(tmp_path_factory.mktemp('digits')) / 'train'


def verdicts(work_dir):
    return json.loads((work_dir / 'health.json').read_text())['verdicts']


@pytest.mark.parametrize(
    ('removed', 'what', 'advice'),
    [
        (NO_CENTERING, 'of 256 prototypes take all images', 'view.centering.momentum=0.9'),
        (NO_SHARPENING, 'uniform over the prototypes', 'model.heads.view.teacher_temp=0.04'),
    ],
    ids=['no centering', 'no sharpening'],
)
def test_what_keeps_the_quick_start_from_collapse_is_missed(
    digits, tmp_path, removed, what, advice
):
    options = {**SMALL, ON_TRAINING: str(digits), **removed}
    stop = {'default_hooks.health.stop_on_collapse': True}
    with pytest.raises(CollapseError, match=what) as caught:
        tiny.train(CONFIG, tmp_path, {**options, **stop})
    assert advice in str(caught.value)
    assert 8 < tiny.last_checkpoint(tmp_path)['meta']['iter'] < 80  # within the run
    (bad,) = [verdict for verdict in verdicts(tmp_path) if verdict['state'] == 'bad']
    assert bad['is_collapse'] and what in bad['text']


def test_the_quick_start_as_shipped_triggers_nothing(digits, tmp_path):
    tiny.train(CONFIG, tmp_path, {**SMALL, ON_TRAINING: str(digits)})
    assert {verdict['state'] for verdict in verdicts(tmp_path)} <= {'good', 'unknown'}
    (log,) = tmp_path.glob('*/*.log')
    assert 'health, ' not in log.read_text()


def whole_quick_start(digits, **changed):
    """As shipped but for the validation."""
    options = {ON_TRAINING: str(digits), **changed}
    return options | {name: value for name, value in SMALL.items() if value is None}


@pytest.mark.slow
@pytest.mark.parametrize('removed', [NO_CENTERING, NO_SHARPENING], ids=['centering', 'sharpening'])
def test_the_quick_start_without(removed, digits, tmp_path):
    stop = {'default_hooks.health.stop_on_collapse': True}
    with pytest.raises(CollapseError):
        tiny.train(CONFIG, tmp_path, whole_quick_start(digits, **stop, **removed))


@pytest.mark.slow
def test_a_sixth_of_the_quick_start_triggers_nothing(digits, tmp_path):
    """Longer than what collapses needs for its verdict."""
    options = whole_quick_start(digits, **{'train_cfg.max_epochs': 4})
    tiny.train(CONFIG, tmp_path, options)
    assert {verdict['state'] for verdict in verdicts(tmp_path)} <= {'good', 'unknown'}


def test_the_tool_stops_with_its_own_status(config, tmp_path):
    hot = ('model.heads.view.teacher_temp=0.1', 'train_cfg.max_epochs=12')
    work = ('--work-dir', tmp_path / 'work')
    end = run_tool(
        'train.py', config, *work, '--stop-on-collapse', '--cfg-options', *hot, cwd=tmp_path
    )
    assert end.status == 3, end.err
    assert 'error: stopped at iteration' in end.err and 'teacher_temp=0.04' in end.err
    checkpoint = tiny.last_checkpoint(tmp_path / 'work')
    resumed = run_tool('train.py', config, *work, '--resume', '--cfg-options', *hot, cwd=tmp_path)
    assert resumed.status == 0, resumed.err
    assert 0 < checkpoint['meta']['iter'] < tiny.last_checkpoint(tmp_path / 'work')['meta']['iter']


def test_two_processes_measure_what_one_does(config, tmp_path):
    tiny.train(config, tmp_path / 'one', tiny.COMPARED)
    train_on_two_processes(config, tmp_path / 'two', tiny.COMPARED)
    for name in (
        'view/cross_entropy',
        'view/target_entropy',
        'view/prototypes_used',
        'cosine',
        'feature_std_student',
        'effective_rank_teacher',
        'grad_norm',
        'weight_distance',
    ):
        one, two = (tiny.logged(tmp_path / work, f'health/{name}') for work in ('one', 'two'))
        assert len(one) == 12
        assert two == pytest.approx(one, rel=1e-3), name


@HOOKS.register_module(force=True)
class SpoilFeatures(Hook):
    """Makes the student's features NaN in iterations of one process, counted from 0."""

    def __init__(self, iterations, rank=0):
        self.iterations = iterations
        self.rank = rank

    def before_train(self, runner):
        def spoil(module, inputs, outputs):
            if runner.iter in self.iterations and runner.rank == self.rank:
                return tuple(output * float('nan') for output in outputs)

        model = getattr(runner.model, 'module', runner.model)
        model.backbone.register_forward_hook(spoil)


def spoiled(tmp_path, data, *iterations, rank=0):
    extra = f"""
custom_imports = dict(imports=['tests.integration.test_health'])
custom_hooks = [
    dict(type='TeacherEMAHook', momentum=0.9),
    dict(type='SpoilFeatures', iterations={list(iterations)}, rank={rank}),
]
"""
    return tiny.write_config(tmp_path / 'tiny.py', data, extra)


def test_images_of_a_batch_that_is_not_finite_are_named(tmp_path, data):
    tiny.train(spoiled(tmp_path, data, 5), tmp_path / 'work')
    head, *paths = (tmp_path / 'work/bad_batches.txt').read_text().splitlines()
    assert head == '# iteration 6: the loss is not finite, 8 images'
    known = {str(path) for path in (data / 'train').rglob('*.png')}
    assert len(paths) == tiny.BATCH and set(paths) < known
    assert tiny.last_checkpoint(tmp_path / 'work')['ema_state_dict']['steps'] == 11
    assert len(tiny.logged(tmp_path / 'work')) == 12  # of the skipped step, the value before it


def test_one_process_that_is_not_finite_skips_the_step_of_both(tmp_path, data):
    config = spoiled(tmp_path, data, 3, 4, rank=1)
    limit = 'default_hooks.non_finite.max_in_a_row=2'
    work = ('--work-dir', tmp_path / 'work')
    half = f'train_dataloader.batch_size={tiny.BATCH // 2}'
    ends = run_on(2, 'train.py', config, *work, '--cfg-options', limit, half, cwd=tmp_path)
    assert [end.status for end in ends] == [4, 4], ends[0].err
    assert 'the last good state is in' in ends[0].err
    checkpoint = tiny.last_checkpoint(tmp_path / 'work')
    assert checkpoint['ema_state_dict']['steps'] == 3
    lines = (tmp_path / 'work/bad_batches.txt').read_text().splitlines()
    assert [line for line in lines if line.startswith('#')] == [
        '# iteration 4: the loss is not finite, 4 images',
        '# iteration 5: the loss is not finite, 4 images',
    ]
    assert len(lines) == 2 + 8
