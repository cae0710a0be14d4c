import copy
import itertools
import math

import pytest
import torch
from mmengine.hooks import Hook
from torch import nn

from dinomm.engine import TeacherEMAHook
from dinomm.engine.hooks.teacher_ema_hook import copy_as_teacher
from dinomm.registry import MODELS

DROPPING = {'drop_path_rate': 0.3, 'drop_rate': 0.2, 'layer_cfgs': {'attn_drop_rate': 0.1}}


class Probe(Hook):
    """Calls functions with the Runner at the given points."""

    priority = 'LOWEST'

    def __init__(self, **functions):
        for name, function in functions.items():
            setattr(self, name, lambda runner, *_, function=function, **__: function(runner))


def states(runner):
    return [
        {name: value.clone() for name, value in network.state_dict().items()}
        for network in (runner.model, runner.model.teacher)
    ]


def equal(first, second, names=None):
    return all(torch.equal(first[name], second[name]) for name in names or first)


def parameter_names(runner):
    return [name for name, _ in runner.model.named_parameters()]


# ---- building


def test_teacher_equals_the_initialised_student_before_the_first_step(make_runner):
    seen = []
    probe = Probe(before_train=lambda runner: seen.append(states(runner)))
    runner = make_runner(hooks=[probe])
    uninitialised = runner.model.backbone.cls_token.detach().clone()
    runner.train()
    ((student, teacher),) = seen
    assert equal(student, teacher)
    assert not torch.equal(student['backbone.cls_token'], uninitialised)


@pytest.mark.parametrize(('counts', 'num_steps'), [(1, 8), (3, 3)])
def test_every_update_is_an_average_and_so_is_the_first(make_runner, counts, num_steps):
    seen = []
    probe = Probe(
        before_train=lambda runner: seen.append(states(runner)),
        after_train_iter=lambda r: r.optim_wrapper.stepped and seen.append(states(r)),
    )
    runner = make_runner(wrapper={'accumulative_counts': counts}, hooks=[probe])
    runner.train()
    assert len(seen) == num_steps + 1
    for step, (before, after) in enumerate(itertools.pairwise(seen)):
        momentum = 1 - (1 - 0.9) * (1 + math.cos(math.pi * step / num_steps)) / 2
        for name in parameter_names(runner):
            expected = momentum * before[1][name] + (1 - momentum) * after[0][name]
            torch.testing.assert_close(after[1][name], expected, atol=1e-6, rtol=1e-5)
    assert not equal(seen[1][1], seen[1][0]) and not equal(seen[1][1], seen[0][1])


def test_networks_share_no_storage(make_runner):
    runner = make_runner()
    runner.train()
    pointers = [
        {
            tensor.untyped_storage().data_ptr()
            for tensor in (*network.parameters(), *network.buffers())
        }
        for network in (runner.model, runner.model.teacher)
    ]
    assert not pointers[0] & pointers[1]
    assert not any(parameter.requires_grad for parameter in runner.model.teacher.parameters())


def drop_rates(model):
    rates = []
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            rates.append(module.p)
        rates += [getattr(module, name, 0.0) for name in ('drop_prob', 'attn_drop')]
    return [float(rate) for rate in rates if not isinstance(rate, nn.Module)]


@pytest.fixture
def dropping(tiny_model):
    return MODELS.build(tiny_model(backbone=tiny_model()['backbone'] | DROPPING))


def test_teacher_drops_nothing_and_the_student_does(dropping):
    before = drop_rates(dropping)
    assert {0.1, 0.2, 0.3} <= set(before)
    teacher = copy_as_teacher(dropping)
    assert not any(drop_rates(teacher))
    assert drop_rates(dropping) == before
    images = torch.randn(4, 3, 16, 16)
    with torch.no_grad():
        first, second = (teacher.backbone(images)[-1] for _ in range(2))
        assert torch.equal(first, second)
        first, second = (dropping.backbone(images)[-1] for _ in range(2))
        assert not torch.equal(first, second)


def test_torchs_attention_of_the_teacher_drops_nothing():
    attention = nn.MultiheadAttention(8, 2, dropout=0.5)
    assert copy_as_teacher(attention).dropout == 0
    assert attention.dropout == 0.5


def test_teacher_is_in_training_mode_whatever_the_students(dropping):
    nn.Module.train(dropping, False)
    assert copy_as_teacher(dropping).training
    assert not dropping.training


def test_batch_norm_statistics_of_the_teacher_are_its_own(make_runner):
    runner = make_runner(model={'head': {'batch_norm': True}})
    runner.train()
    name = 'heads.view.projector.1.running_mean'
    student, teacher = states(runner)
    assert student[name].any() and teacher[name].any()
    assert not torch.allclose(student[name], teacher[name])
    counts = 'heads.view.projector.1.num_batches_tracked'
    assert student[counts] == teacher[counts] == 8


# ---- updating


def test_moves_with_performed_steps_alone(make_runner):
    seen = []
    probe = Probe(after_train_iter=lambda runner: seen.append(states(runner)[1]))
    runner = make_runner(wrapper={'accumulative_counts': 2}, hooks=[probe])
    runner.train()
    moved = [not equal(a, b) for a, b in itertools.pairwise(seen)]
    assert moved == [True, False, True, False, True, False, True]
    assert runner.optim_wrapper.steps == 4


def test_skipped_steps_move_nothing(make_runner, monkeypatch):
    seen = []

    def skip(**_):
        pass

    runner = make_runner(hooks=[Probe(after_train_iter=lambda r: seen.append(states(r)))])
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.optim_wrapper.step = skip
    runner.train()
    assert equal(seen[0][1], seen[-1][1]) and equal(seen[0][0], seen[-1][0])
    assert not seen[-1][0]['heads.view.centering.center'].any()
    assert runner.optim_wrapper.steps == 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_step_with_an_infinite_gradient_moves_nothing_on_a_gpu(make_runner):
    seen = []

    def note(runner):
        schedulers = [scheduler.last_step for scheduler in runner.param_schedulers]
        seen.append((states(runner), runner.optim_wrapper.stepped, schedulers))

    def spoil(runner):
        if runner.iter == 2:
            runner.model.backbone.cls_token.register_hook(lambda grad: grad * float('inf'))
        elif runner.iter == 3:
            runner.model.backbone.cls_token._backward_hooks.clear()

    runner = make_runner(
        wrapper={'type': 'DINOAmpOptimWrapper', 'dtype': 'float16', 'loss_scale': 8.0},
        hooks=[Probe(before_train_iter=spoil, after_train_iter=note)],
        param_scheduler=[{'type': 'LinearLR', 'by_epoch': False, 'end': 8, 'start_factor': 0.1}],
    )
    runner.train()
    assert [stepped for _, stepped, _ in seen] == [True, True, False] + [True] * 5
    (student, teacher), _, schedulers = seen[1]
    (student_after, teacher_after), _, schedulers_after = seen[2]
    assert equal(student, student_after) and equal(teacher, teacher_after)
    assert schedulers == schedulers_after
    assert runner.optim_wrapper.steps == 7


@pytest.mark.parametrize('key', ['momentum', 'end_momentum'])
@pytest.mark.parametrize('value', [-0.1, 1.5])
def test_momentum_is_a_share(key, value):
    with pytest.raises(ValueError, match=rf'TeacherEMAHook\.{key} is {value}'):
        TeacherEMAHook(**{key: value})


# ---- checkpoints


@pytest.fixture
def saved(make_runner, tmp_path):
    """A run of two epochs, its checkpoint's path and both networks' states."""
    runner = make_runner()
    runner.train()
    runner.save_checkpoint(str(tmp_path), 'run.pth', by_epoch=True, meta={'epoch': 2, 'iter': 8})
    student, teacher = states(runner)
    return tmp_path / 'run.pth', student, teacher


def loaded(make_runner, file, teacher=None, **options):
    """Both networks just before the first step of a run that starts from ``file``."""
    seen = []
    probe = Probe(before_train=lambda runner: seen.append(states(runner)))
    runner = make_runner(
        hooks=[probe],
        teacher=teacher,
        load_from=str(file),
        train_cfg={'type': 'ResumableEpochLoop', 'max_epochs': options.pop('max_epochs', 1)},
        **options,
    )
    runner.train()
    return seen[0]


def test_form_of_a_checkpoint(saved):
    file, student, teacher = saved
    checkpoint = torch.load(file, weights_only=True)
    ema = checkpoint['ema_state_dict']
    assert int(ema.pop('steps')) == 8
    assert equal(student, {name.removeprefix('module.'): value for name, value in ema.items()})
    assert all(name.startswith('module.') for name in ema)
    center = 'heads.view.centering.center'
    assert equal(teacher, checkpoint['state_dict'], set(teacher) - {center})
    assert torch.equal(checkpoint['state_dict'][center], student[center])
    assert student[center].any()


def test_saving_twice_gives_the_same(make_runner, tmp_path):
    runner = make_runner()
    runner.train()
    for name in ('a.pth', 'b.pth'):
        runner.save_checkpoint(str(tmp_path), name, meta={'epoch': 2, 'iter': 8})
    first, second = (torch.load(tmp_path / name, weights_only=True) for name in ('a.pth', 'b.pth'))
    assert equal(first['state_dict'], second['state_dict'])
    assert equal(first['ema_state_dict'], second['ema_state_dict'])


def test_load_from_gives_each_network_its_own(make_runner, saved):
    file, student, teacher = saved
    loaded_student, loaded_teacher = loaded(make_runner, file)
    assert equal(student, loaded_student)
    assert equal(teacher, loaded_teacher, set(teacher) - {'heads.view.centering.center'})


def test_resume_gives_each_network_its_own(make_runner, saved):
    file, student, teacher = saved
    loaded_student, loaded_teacher = loaded(make_runner, file, resume=True, max_epochs=3)
    assert equal(student, loaded_student)
    assert equal(teacher, loaded_teacher, set(teacher) - {'heads.view.centering.center'})


@pytest.mark.parametrize('form', [lambda state: {'state_dict': state}, lambda state: state])
def test_plain_weights_go_to_both(make_runner, saved, tmp_path, form):
    _, _, teacher = saved
    torch.save(form(teacher), tmp_path / 'plain.pth')
    loaded_student, loaded_teacher = loaded(make_runner, tmp_path / 'plain.pth')
    assert equal(teacher, loaded_student) and equal(teacher, loaded_teacher)


def test_a_partial_file_is_an_error_with_names(make_runner, saved, tmp_path):
    _, _, teacher = saved
    part = {name: value for name, value in teacher.items() if name.startswith('backbone.')}
    part['backbone.surplus'] = torch.zeros(1)
    part['backbone.cls_token'] = torch.zeros(1, 1, 13)
    torch.save({'state_dict': part}, tmp_path / 'part.pth')
    with pytest.raises(ValueError, match='of another network') as error:
        loaded(make_runner, tmp_path / 'part.pth')
    message = str(error.value)
    assert 'heads.view.projector.0.weight' in message
    assert 'backbone.surplus' in message
    assert 'backbone.cls_token ((1, 1, 12), (1, 1, 13))' in message


def test_a_partial_load_on_purpose(make_runner, saved, tmp_path):
    _, _, teacher = saved
    part = {name: value for name, value in teacher.items() if name.startswith('backbone.')}
    torch.save({'state_dict': {**part, 'neck.weight': torch.zeros(1)}}, tmp_path / 'part.pth')
    options = {'allow_missing': ['heads.'], 'allow_unexpected': ['neck.']}
    loaded_student, loaded_teacher = loaded(make_runner, tmp_path / 'part.pth', options)
    assert equal(part, loaded_student, part) and equal(part, loaded_teacher, part)


def test_a_name_alone_allows_no_other(make_runner, saved, tmp_path):
    _, _, teacher = saved
    part = {name: value for name, value in teacher.items() if not name.startswith('heads.')}
    torch.save({'state_dict': part}, tmp_path / 'part.pth')
    loaded(make_runner, tmp_path / 'part.pth', {'allow_missing': 'heads.'})
    del part['backbone.pos_embed']
    torch.save({'state_dict': part}, tmp_path / 'less.pth')
    with pytest.raises(ValueError, match=r'backbone\.pos_embed'):
        loaded(make_runner, tmp_path / 'less.pth', {'allow_missing': 'heads.'})


@pytest.mark.parametrize('resume', [False, True])
def test_a_checkpoint_that_lacks_a_head_names_it(make_runner, saved, tiny_model, resume):
    file, *_ = saved
    head = tiny_model()['heads']['view']
    model = {'heads': {'view': head, 'second': head}}
    sentence = r"no weights of model\.heads\.second\..*allow_missing=\['heads\.second\.'\]"
    with pytest.raises(ValueError, match=sentence):
        loaded(make_runner, file, resume=resume, model=model)


@pytest.mark.parametrize('damaged', ['state_dict', 'ema_state_dict'])
def test_a_network_that_lacks_weights_is_an_error(make_runner, saved, tmp_path, damaged):
    file, *_ = saved
    checkpoint = torch.load(file, weights_only=True)
    prefix = 'module.' if damaged == 'ema_state_dict' else ''
    del checkpoint[damaged][f'{prefix}backbone.pos_embed']
    torch.save(checkpoint, tmp_path / 'damaged.pth')
    with pytest.raises(ValueError, match=r'missing in the file: backbone\.pos_embed'):
        loaded(make_runner, tmp_path / 'damaged.pth')


def test_resuming_without_a_student_is_an_error(make_runner, saved, tmp_path):
    file, *_ = saved
    checkpoint = torch.load(file, weights_only=True)
    del checkpoint['ema_state_dict']
    torch.save(checkpoint, tmp_path / 'teacher.pth')
    with pytest.raises(ValueError, match=r'no student \(ema_state_dict\).*load_from'):
        loaded(make_runner, tmp_path / 'teacher.pth', resume=True)


def test_allowances_do_not_hold_when_resuming(make_runner, saved, tmp_path):
    file, *_ = saved
    checkpoint = torch.load(file, weights_only=True)
    del checkpoint['ema_state_dict']['module.heads.view.projector.0.bias']
    torch.save(checkpoint, tmp_path / 'part.pth')
    with pytest.raises(ValueError, match=r'heads\.view\.projector\.0\.bias'):
        loaded(make_runner, tmp_path / 'part.pth', {'allow_missing': ['heads.']}, resume=True)


def evaluated(make_runner, file):
    """A Runner that has loaded ``file`` and cannot train."""
    parts = ('train_dataloader', 'train_cfg', 'optim_wrapper')
    runner = make_runner(load_from=str(file), **dict.fromkeys(parts))
    runner.load_or_resume()
    return runner


def test_evaluation_takes_the_teacher(make_runner, saved):
    file, _, teacher = saved
    runner = evaluated(make_runner, file)
    names = [name for name in teacher if name.startswith('backbone.')]
    assert equal(teacher, runner.model.state_dict(), names)
    assert runner.model.evaluated() is runner.model


def test_evaluation_needs_the_whole_backbone_and_no_heads(make_runner, saved, tmp_path):
    _, _, teacher = saved
    backbone = {name: value for name, value in teacher.items() if name.startswith('backbone.')}
    torch.save({'state_dict': backbone}, tmp_path / 'backbone.pth')
    runner = evaluated(make_runner, tmp_path / 'backbone.pth')
    assert equal(backbone, runner.model.state_dict(), backbone)
    lacking = copy.copy(backbone)
    del lacking['backbone.ln1.weight']
    torch.save(lacking, tmp_path / 'lacking.pth')
    with pytest.raises(ValueError, match=r'backbone\.ln1\.weight'):
        evaluated(make_runner, tmp_path / 'lacking.pth')
