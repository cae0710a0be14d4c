"""Teacher and student in training and in the checkpoint; compiled networks."""

import shutil

import pytest
import torch
from mmengine.hooks import Hook
from mmpretrain.models import VisionTransformer

from . import tiny

EAGER = {'model.compile_backbone': {'backend': 'aot_eager'}}


class AfterStep(Hook):
    """Calls a function with the model after the first step."""

    priority = 'LOWEST'

    def __init__(self, function):
        self.function = function

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == 0:
            self.function(runner.model, data_batch)


def storages(network) -> set[int]:
    tensors = [*network.parameters(), *network.buffers()]
    return {tensor.untyped_storage().data_ptr() for tensor in tensors if tensor.numel()}


@pytest.mark.parametrize(
    'options', [{}, pytest.param(EAGER, marks=pytest.mark.slow)], ids=['eager', 'compiled']
)
def test_teacher_is_a_network_of_its_own(config, tmp_path, options):
    """No shared storage, other weights after a step, and its weights decide its output."""
    seen = []

    def look(model, batch):
        student, teacher = model, model.teacher
        assert not storages(student) & storages(teacher)
        differing = [
            name
            for name, parameter in student.named_parameters()
            if parameter.requires_grad
            and not torch.equal(parameter, dict(teacher.named_parameters())[name])
        ]
        assert any('backbone.layers' in name for name in differing)
        inputs = model.data_preprocessor(batch)['inputs'][:1]
        with torch.no_grad():
            before = [network.extract_feat(inputs, False)[0].view for network in (teacher, student)]
            saved = [parameter.clone() for parameter in teacher.backbone.parameters()]
            for parameter in teacher.backbone.parameters():
                parameter.zero_()
            after = [network.extract_feat(inputs, False)[0].view for network in (teacher, student)]
            for parameter, value in zip(teacher.backbone.parameters(), saved, strict=True):
                parameter.copy_(value)
        assert before[0].abs().sum() > 0 and after[0].abs().sum() == 0
        assert torch.equal(before[1], after[1])
        seen.append(True)

    options = {**options, 'optim_wrapper.optimizer.lr': 0.1, 'param_scheduler': []}
    runner = tiny.build(config, tmp_path, {**options, 'train_cfg.max_epochs': 1})
    runner.register_hook(AfterStep(look))
    runner.train()
    assert seen


@pytest.mark.slow
def test_compiled_run_equals_eager_run(config, tmp_path):
    tiny.train(config, tmp_path / 'eager', tiny.COMPARED)
    tiny.train(config, tmp_path / 'compiled', {**tiny.COMPARED, **EAGER})
    losses = [tiny.logged(tmp_path / name) for name in ('compiled', 'eager')]
    assert len(losses[1]) == 12
    assert tiny.relative_error(*losses) < 1e-5
    pair = [tiny.last_checkpoint(tmp_path / name) for name in ('compiled', 'eager')]
    tiny.assert_close(*map(tiny.student_and_teacher, pair))  # and the same names


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which('g++') or shutil.which('clang++')), reason='no C++ compiler')
def test_inductor(config, tmp_path):
    one_size = {'size': 16, 'scale': (0.4, 1.0), 'num': 2}  # every further size compiles anew
    two_steps = {
        **tiny.COMPARED,
        'model.backbone.arch.num_layers': 1,
        'train_dataloader.dataset.pipeline.1.views': [one_size],
        'train_dataloader.batch_size': 16,
        'train_cfg.max_epochs': 2,
    }
    tiny.train(config, tmp_path / 'eager', two_steps)
    tiny.train(config, tmp_path / 'compiled', {**two_steps, 'model.compile_backbone': True})
    losses = [tiny.logged(tmp_path / name) for name in ('compiled', 'eager')]
    assert len(losses[1]) == 4
    assert tiny.relative_error(*losses) < 1e-5


def test_checkpoint_is_the_teacher(config, tmp_path):
    """Its state is the teacher's in memory, and loads into mmpretrain's plain ViT."""
    runner = tiny.train(config, tmp_path)
    teacher = runner.model.teacher
    checkpoint = tiny.last_checkpoint(tmp_path)  # reads with weights_only=True
    tiny.assert_identical(checkpoint['state_dict'], dict(teacher.state_dict()))
    student = {f'module.{name}': tensor for name, tensor in runner.model.state_dict().items()}
    stored = dict(checkpoint['ema_state_dict'])
    assert stored.pop('steps') == 12
    tiny.assert_identical(stored, student)
    assert any(
        not torch.equal(checkpoint['state_dict'][name], stored[f'module.{name}'])
        for name in checkpoint['state_dict']
    )

    backbone = runner.cfg.model.backbone
    plain = VisionTransformer(
        arch=dict(backbone.arch), img_size=16, patch_size=4, out_type='raw', drop_path_rate=0.0
    )
    weights = {
        name.removeprefix('backbone.'): tensor
        for name, tensor in checkpoint['state_dict'].items()
        if name.startswith('backbone.')
    }
    plain.load_state_dict(weights, strict=True)
    plain.train(False)
    teacher.backbone.train(False)
    images = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        actual, expected = plain(images)[-1], teacher.backbone(images)[-1]
    assert tiny.relative_error(actual, expected) < 1e-5


def test_load_from_gives_each_network_its_own_weights(config, tmp_path):
    first = tiny.train(config, tmp_path / 'first')
    seen = []

    def look(model, batch):
        seen.append((dict(model.state_dict()), dict(model.teacher.state_dict())))

    frozen = {
        'load_from': str(tmp_path / 'first/epoch_3.pth'),
        'optim_wrapper.optimizer.lr': 0.0,
        'param_scheduler': [],
        'train_cfg.max_epochs': 1,
        'custom_hooks.0.momentum': 1.0,
    }
    runner = tiny.build(config, tmp_path / 'second', frozen)
    runner.register_hook(AfterStep(look))
    runner.train()
    ((student, teacher),) = seen
    for name in (name for name in student if name.startswith('backbone.')):
        assert torch.equal(student[name], first.model.state_dict()[name]), name
        assert torch.equal(teacher[name], first.model.teacher.state_dict()[name]), name
    assert not torch.equal(student['backbone.pos_embed'], teacher['backbone.pos_embed'])
