"""A whole training run against the published loop: model, hooks, wrapper, schedulers, Runner."""

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader, Dataset, Sampler

from dinomm.checkpoints import dino, esvit
from dinomm.engine import TeacherEMAHook
from dinomm.models import SelfDistillation

from .dino import tensors
from .esvit import swin_config
from .result import Result, compare
from .schedules import published_schedulers

Arrays = Mapping[str, np.ndarray]


class _StoredBatches(Dataset):
    def __init__(self, arrays: Arrays):
        self.batches: list[dict] = []
        while f'{len(self.batches)}/crop0' in arrays:
            crops = tensors(arrays, f'{len(self.batches)}/crop')
            views = [crops[str(i)].float() for i in range(len(crops))]
            self.batches.append({'inputs': views, 'data_samples': None})

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> dict:
        return self.batches[index]


class _EpochInOrder(Sampler):
    def __init__(self, iters_per_epoch: int):
        self.iters_per_epoch, self.epoch = iters_per_epoch, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.iters_per_epoch

    def __iter__(self) -> Iterator[int]:
        start = self.epoch * self.iters_per_epoch
        return iter(range(start, start + self.iters_per_epoch))


class _Record(Hook):
    """Notes what a step used, after it was set and before it moves on."""

    priority = 'VERY_LOW'

    def __init__(self):
        self.values: dict[str, list[float]] = {'lr': [], 'weight_decay': [], 'teacher_temp': []}

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        group = runner.optim_wrapper.optimizer.param_groups[0]
        self.values['lr'].append(group['lr'])
        self.values['weight_decay'].append(group['weight_decay'])
        self.values['teacher_temp'].append(runner.model.heads['view'].teacher_temp)


def _start_of_cosine(values: np.ndarray) -> tuple[float, float]:
    """Start and end of half a cosine sampled at its first len(values) of len(values) + 1 points."""
    last = (1 + math.cos(math.pi * (len(values) - 1) / len(values))) / 2
    start = float(values[0])
    return start, (float(values[-1]) - start * last) / (1 - last)


def build_runner(
    arrays: Arrays, model: dict, start_file: str, work_dir: str, record: Hook
) -> Runner:
    """A Runner that repeats a stored trace; its numbers are read off the stored schedules."""
    data = _StoredBatches(arrays)
    iters_per_epoch = int(arrays['iters_per_epoch'])
    epochs = len(data) // iters_per_epoch
    lr = arrays['lr']
    warmup_steps = int(np.argmax(lr)) + 1 if lr[0] < lr.max() else 0
    peak_lr, end_lr = _start_of_cosine(lr[warmup_steps:])
    weight_decay, end_weight_decay = _start_of_cosine(arrays['weight_decay'])
    momentum, end_momentum = _start_of_cosine(arrays['momentum'])
    return Runner(
        model=model,
        work_dir=work_dir,
        experiment_name=f'trace_{id(arrays)}',
        train_dataloader=DataLoader(data, batch_size=None, sampler=_EpochInOrder(iters_per_epoch)),
        train_cfg={'type': 'ResumableEpochLoop', 'max_epochs': epochs},
        optim_wrapper={
            'type': 'DINOOptimWrapper',
            'constructor': 'TwoGroupConstructor',
            'optimizer': {
                'type': 'AdamW',
                'lr': peak_lr,
                'weight_decay': weight_decay,
                'fused': True,
            },
            'clip_grad': {'max_norm': float(arrays['clip_grad'])},
            'freeze_last_layer': int(arrays['freeze_last_layer_epochs']),
        },
        param_scheduler=published_schedulers(
            epochs, warmup_steps // iters_per_epoch, end_lr, end_weight_decay
        ),
        default_hooks={
            'runtime_info': {'type': 'IntervalRuntimeInfoHook'},
            'param_scheduler': {'type': 'OptimizerStepHook'},
            'logger': {'type': 'LoggerHook', 'interval': 1},
            'checkpoint': None,
        },
        custom_hooks=[
            {
                'type': 'TeacherEMAHook',
                'momentum': momentum,
                'end_momentum': end_momentum,
                'allow_missing': [f'heads.{name}.centering.' for name in model['heads']],
            },
            record,
        ],
        load_from=start_file,
        default_scope='dinomm',
        log_level='ERROR',
        randomness={'seed': 0},
    )


def _teacher_temp(arrays: Arrays) -> dict[str, Any]:
    temperatures = arrays['teacher_temp']
    constant = int(np.argmax(temperatures == temperatures[-1]))
    return {
        'start': float(temperatures[0]),
        'end': float(temperatures[-1]),
        'warmup_epochs': constant + 1 if constant else 0,
    }


def _model(backbone: dict[str, Any], heads: dict[str, Any]) -> dict[str, Any]:
    return {
        'type': 'SelfDistillation',
        'data_preprocessor': {'mean': (0.0,) * 3, 'std': (1.0,) * 3},
        'backbone': backbone,
        'heads': heads,
    }


def _head(start: dict[str, torch.Tensor], name: str, **options) -> dict[str, Any]:
    hidden, width = start[f'{name}.mlp.0.weight'].shape
    prototypes, bottleneck = start[f'{name}.last_layer.weight_v'].shape
    return {
        'in_channels': width,
        'hidden_channels': hidden,
        'bottleneck_channels': bottleneck,
        'num_prototypes': prototypes,
        **options,
    }


def check_dino_trace(arrays: Arrays) -> Iterator[Result]:
    """Every loss and schedule value; centre and both networks at the end."""
    start = tensors(arrays, 'start/')
    width, _, patch, _ = start['backbone.patch_embed.proj.weight'].shape
    depth = 1 + max(int(k.split('.')[2]) for k in start if k.startswith('backbone.blocks.'))
    backbone = {
        'type': 'DINOVisionTransformer',
        'arch': {
            'embed_dims': width,
            'num_layers': depth,
            'num_heads': 3,
            'feedforward_channels': len(start['backbone.blocks.0.mlp.fc1.bias']),
        },
        'img_size': arrays['0/crop0'].shape[-1],
        'patch_size': patch,
    }
    view = _head(start, 'head', type='DINOHead', teacher_temp=_teacher_temp(arrays))
    record = _Record()
    model = _model(backbone, {'view': view})
    student = _train(arrays, model, dino.model_state, record)
    temperatures = np.repeat(arrays['teacher_temp'], int(arrays['iters_per_epoch']))
    yield compare('teacher_temp', np.array(record.values['teacher_temp']), temperatures, 1e-9)
    yield from _compare_schedules(arrays, record)
    yield from _compare_centers(arrays, student, {'view': 'center'})
    for name, network in {'student': student, 'teacher': student.teacher}.items():
        expected = dino.model_state(tensors(arrays, f'{name}/'))
        yield _compare_weights(f'{name} weights', network, expected)


def check_esvit_trace(arrays: Arrays) -> Iterator[Result]:
    """Every loss and schedule value; both centres and the teacher at the end."""
    start = tensors(arrays, 'start/')
    heads = {
        'view': _head(start, 'head', type='DINOHead', loss_weight=0.5),
        'region': _head(start, 'head_dense', type='RegionMatchingHead', loss_weight=0.5),
    }
    record = _Record()
    model = _model(swin_config(start, arrays['0/crop0'].shape[-1]), heads)
    student = _train(arrays, model, esvit.model_state, record)
    yield from _compare_schedules(arrays, record)
    yield from _compare_centers(arrays, student, {name: f'center_{name}' for name in heads})
    expected = esvit.model_state(tensors(arrays, 'teacher/'))
    yield _compare_weights('teacher weights', student.teacher, expected)


def _train(
    arrays: Arrays, model: dict, convert: Callable[[dict], dict], record: _Record
) -> SelfDistillation:
    """Trains from the stored start, which ``convert`` brings into our form; gives the student."""
    with tempfile.TemporaryDirectory() as work_dir:
        start_file = f'{work_dir}/start.pth'
        torch.save({'state_dict': convert(tensors(arrays, 'start/'))}, start_file)
        runner = build_runner(arrays, model, start_file, work_dir, record)
        runner.train()
        record.values['loss'] = runner.message_hub.get_scalar('train/loss').data[0]
    hook = next(hook for hook in runner.hooks if isinstance(hook, TeacherEMAHook))
    record.values['momentum'] = [
        hook.momentum_at(step, runner.max_iters) for step in range(runner.max_iters)
    ]
    return runner.model


def _compare_schedules(arrays: Arrays, record: _Record) -> Iterator[Result]:
    values = {name: np.array(seen) for name, seen in record.values.items()}
    yield compare('loss', values['loss'], arrays['loss'], 1e-4, relative=True)
    for name in ('lr', 'weight_decay', 'momentum'):
        yield compare(name, values[name], arrays[name], 1e-9)


def _compare_centers(
    arrays: Arrays, student: SelfDistillation, stored: Mapping[str, str]
) -> Iterator[Result]:
    for head, name in stored.items():
        center = student.heads[head].centering.center
        yield compare(name, center, arrays[name], 1e-5, relative=True)


def _compare_weights(name: str, network: torch.nn.Module, expected: Mapping) -> Result:
    actual = network.state_dict()
    floats = {k: v for k, v in expected.items() if v.is_floating_point()}
    largest = max(float(value.abs().max()) for value in floats.values())
    error = max(float((actual[key] - value).abs().max()) for key, value in floats.items())
    return Result(name, error / largest, 1e-3)
