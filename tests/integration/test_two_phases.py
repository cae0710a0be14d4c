"""A checkpoint of the view task gets the region head and trains on."""

import itertools

import pytest
import torch
from mmengine.hooks import Hook

from dinomm.engine import ContinueHook

from . import tiny
from .processes import run_on

SECOND = """
model = dict(heads=dict(region=dict(_base_.model.heads.view, type='RegionMatchingHead')))
custom_hooks = [
    dict(type='TeacherEMAHook', momentum=0.9, allow_missing=['heads.region.']),
    dict(type='ContinueHook'),
]
"""
EPOCH = 4  # steps


class Watch(Hook):
    """Copies both networks at the start and after every step."""

    priority = 'LOWEST'

    def __init__(self):
        self.states = []

    def before_train(self, runner):
        self.start = runner.epoch, runner.iter, runner.optim_wrapper.steps
        self.after_train_iter(runner, 0)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        networks = runner.model, runner.model.teacher
        self.states.append(
            [{k: v.clone() for k, v in network.state_dict().items()} for network in networks]
        )


@pytest.fixture(scope='module')
def first(tmp_path_factory, data):
    """The work directory of the first phase: three epochs, each with its checkpoint."""
    folder = tmp_path_factory.mktemp('first')
    tiny.train(tiny.write_config(folder / 'first.py', data), folder / 'work')
    return folder / 'work'


@pytest.fixture
def second(tmp_path, data, first):
    """Trains the second phase; returns the Runner and what was watched."""
    config = tiny.write_config(tmp_path / 'second.py', data, SECOND)

    def run(work_dir='work', load_from=first / 'epoch_1.pth', hook=(), **options):
        options = {key.replace('__', '.'): value for key, value in options.items()}
        if load_from:
            options['load_from'] = str(load_from)
        options |= {f'custom_hooks.1.{key}': value for key, value in dict(hook).items()}
        runner = tiny.build(config, tmp_path / work_dir, options)
        watch = Watch()
        runner.register_hook(watch)
        runner.train()
        return runner, watch

    return run


def moved(states, prefix):
    """Step by step, whether the student's tensors of a prefix changed."""
    return [
        any(not torch.equal(a[0][k], b[0][k]) for k in a[0] if k.startswith(prefix))
        for a, b in itertools.pairwise(states)
    ]


def test_each_network_gets_its_own_weights_and_both_the_same_new_head(second, first):
    _, watch = second()
    student, teacher = watch.states[0]
    file = torch.load(first / 'epoch_1.pth', weights_only=True)
    for name, value in file['state_dict'].items():
        assert torch.equal(teacher[name], value), name
        assert torch.equal(student[name], file['ema_state_dict'][f'module.{name}']), name
    assert any(not torch.equal(student[name], teacher[name]) for name in student)
    assert student['heads.view.centering.center'].any()
    new = [name for name in student if name not in file['state_dict']]
    assert new and all(name.startswith('heads.region.') for name in new)
    assert all(torch.equal(student[name], teacher[name]) for name in new)
    assert not student['heads.region.centering.center'].any()


def test_schedules_go_on_where_they_stood(second, first, tmp_path):
    runner, watch = second()
    assert watch.start == (1, EPOCH, EPOCH)
    assert runner.iter == runner.optim_wrapper.steps == 3 * EPOCH
    rates = tiny.logged(first, 'lr')
    assert tiny.logged(tmp_path / 'work', 'lr') == pytest.approx(rates[EPOCH:], rel=1e-12)
    ends = [tiny.last_checkpoint(folder)['optimizer'] for folder in (first, tmp_path / 'work')]
    decays = [[group['weight_decay'] for group in end['param_groups']] for end in ends]
    assert decays[1] == pytest.approx(decays[0], rel=1e-12) and decays[0][0] > 0.3
    assert runner.model.heads.region.teacher_temp == runner.model.heads.view.teacher_temp


def test_schedules_restart(second, first, tmp_path):
    _, watch = second(load_from=first / 'epoch_3.pth', hook={'schedules': 'restart'})
    assert watch.start == (0, 0, 0)
    rates = tiny.logged(first, 'lr')
    assert tiny.logged(tmp_path / 'work', 'lr') == pytest.approx(rates, rel=1e-12)


def test_a_window_over_the_end_of_an_epoch_begins_before_it(second):
    runner, watch = second(optim_wrapper__accumulative_counts=3)
    assert watch.start == (0, 3, 1)
    assert (runner.iter, runner.optim_wrapper.steps) == (3 * EPOCH, EPOCH)


def test_backbone_and_new_prototypes_wait(second):
    _, watch = second(hook={'freeze_backbone': 2})
    steps = 2 * EPOCH
    assert moved(watch.states, 'backbone.') == [False] * 2 + [True] * (steps - 2)
    # weight_v alone: the published length of the tiny config's prototypes is fixed
    prototypes = moved(watch.states, 'heads.region.prototypes')
    assert prototypes == [False] * EPOCH + [True] * EPOCH
    assert all(moved(watch.states, 'heads.region.projector'))
    assert all(moved(watch.states, 'heads.view.prototypes'))


def test_nothing_waits_unless_it_should(second):
    _, watch = second(hook={'freeze_last_layer': 0})
    for prefix in ('backbone.', 'heads.region.prototypes', 'heads.view.prototypes'):
        assert all(moved(watch.states, prefix))


def test_the_log_tells_what_was_restored(second, tmp_path, first):
    second()
    (log,) = (tmp_path / 'work').glob('*/*.log')
    text = log.read_text()
    for part in (
        f'continued from {first / "epoch_1.pth"}',
        'backbone, heads.view, with centres',
        'new, the same in student and teacher: heads.region',
        'continue, from epoch 1 of 3 (iteration 4',
        "not restored: the optimizer's moments",
    ):
        assert part in text


def test_a_second_phase_is_resumed_exactly(second, tmp_path):
    """While the backbone waits."""
    saved = {
        'hook': {'freeze_backbone': 3},
        'default_hooks__checkpoint__by_epoch': False,
        'default_hooks__checkpoint__interval': 2,
    }
    second('whole', **saved)
    _, watch = second('resumed', tmp_path / 'whole/iter_6.pth', resume=True, **saved)
    assert watch.start == (1, 6, 6)
    assert moved(watch.states, 'backbone.')[:2] == [False, True]
    whole, resumed = (tiny.last_checkpoint(tmp_path / name) for name in ('whole', 'resumed'))
    for part in ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers'):
        tiny.assert_identical(resumed[part], whole[part], part)
    assert resumed['meta']['continued'] == whole['meta']['continued']


def test_wrong_use(second, first, tmp_path):
    with pytest.raises(ValueError, match='none was loaded: start this phase by --cfg-options'):
        second(load_from=None)
    with pytest.raises(ValueError, match='stands at epoch 3, where this run ends'):
        second(load_from=first / 'epoch_3.pth')
    weights = torch.load(first / 'epoch_1.pth', weights_only=True)['state_dict']
    torch.save({'state_dict': weights}, tmp_path / 'bare.pth')
    with pytest.raises(ValueError, match='names no epoch to go on from'):
        second(load_from=tmp_path / 'bare.pth')
    with pytest.raises(ValueError, match="schedules is 'go on': expected 'continue'"):
        ContinueHook(schedules='go on')
    with pytest.raises(ValueError, match='freeze_backbone is -1'):
        ContinueHook(freeze_backbone=-1)


def test_a_run_of_another_kind_is_not_resumed(second, data, tmp_path):
    without = SECOND.replace("    dict(type='ContinueHook'),\n", '')
    tiny.train(
        tiny.write_config(tmp_path / 'both.py', data, without),
        tmp_path / 'both',
        {'train_cfg.max_epochs': 2},
    )
    with pytest.raises(ValueError, match='start this phase without --resume'):
        second(load_from=tmp_path / 'both/epoch_1.pth', resume=True)


def test_a_second_phase_on_two_processes_equals_one(data, first, tmp_path):
    """Its new head and its backbone's wait, too; without drop path, which no two draw alike."""
    config = tiny.write_config(tmp_path / 'second.py', data, SECOND)
    options = {
        **tiny.COMPARED,
        'model.heads.region.teacher_temp': 0.2,
        'model.backbone.drop_path_rate': 0.0,
        'custom_hooks.1.freeze_backbone': 2,
        'load_from': str(first / 'epoch_1.pth'),
    }
    tiny.train(config, tmp_path / 'one', options)
    options['train_dataloader.batch_size'] = tiny.BATCH // 2
    arguments = ['--work-dir', tmp_path / 'two', '--cfg-options', *tiny.as_arguments(options)]
    ends = run_on(2, 'train.py', config, *arguments, cwd=tmp_path)
    assert [end.status for end in ends] == [0, 0], ends[0].err
    losses = [tiny.logged(tmp_path / name) for name in ('one', 'two')]
    assert len(losses[0]) == 2 * EPOCH
    assert tiny.relative_error(losses[1], losses[0]) < 1e-5
    one, two = (
        tiny.student_and_teacher(tiny.last_checkpoint(tmp_path / name)) for name in ('one', 'two')
    )
    tiny.assert_close(two, one)
