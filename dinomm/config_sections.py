"""Keys that mmengine reads itself, before or beside the arguments of a class."""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from .signatures import accepted_arguments, named_parameters

# Read from the config; the other top-level keys are the Runner's parameters.
CONFIG_KEYS = {
    'activation_checkpointing',
    'compile',
    'custom_imports',
    'efficient_conv_bn_eval',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'runner_type',
    'strategy',
    'sync_bn',
    'tta_model',
    'tta_pipeline',
}
DEFAULT_HOOKS = {
    'bad_images',
    'checkpoint',
    'health',
    'logger',
    'non_finite',
    'param_scheduler',
    'runtime_info',
    'sampler_seed',
    'timer',
    'visualization',
}
PARAMWISE_KEYS = {
    'bias_decay_mult',
    'bias_lr_mult',
    'bypass_duplicate',
    'custom_keys',
    'dcn_offset_lr_mult',
    'dwconv_decay_mult',
    'flat_decay_mult',
    'norm_decay_mult',
}
DATALOADER_KEYS = {'disable_subprocess_warning', 'num_batch_per_epoch'}
OPTIM_WRAPPER_KEYS = {'constructor', 'paramwise_cfg'}
KEYS_BY_PLACE = (
    (r'norm_cfg$', {'requires_grad'}),
    (r'\.dcn$', {'fallback_on_stride'}),
    (r'\.upsample_cfg$', {'scale_factor'}),
    (r'\.loss_cls$', {'bg_cls_weight'}),
    (r'\.policies(\.\d+)+$', {'magnitude_key', 'magnitude_range'}),
    (r'\.vision_encoder$', {'pretrained'}),
)
VIEW = re.compile(r'\.pipeline\.\d+\.views\.\d+(\.(?:jitter|blur|solarize))?$')
FIXED_KEYS = {
    'auto_scale_lr': {'base_batch_size', 'enable', 'rule'},
    'env_cfg': {'cudnn_benchmark', 'dist_cfg', 'mp_cfg', 'resource_limit'},
    'env_cfg.mp_cfg': {'mp_start_method', 'opencv_num_threads'},
}


def runner_keys() -> set[str]:
    """Top-level keys of a config that the Runner reads."""
    from mmengine.runner import Runner

    return (set(inspect.signature(Runner).parameters) | CONFIG_KEYS) - {'cfg'}


def section_keys(path: str, section: Mapping) -> set[str] | None:
    """Keys of a section that needs no ``type``; None if it is no such section.

    Args:
        path: Where it stands, as in 'val_cfg.support_dataloader'.
        section: What stands there.
    """
    from mmengine import runner
    from mmengine.optim import OptimWrapper
    from torch.utils.data import DataLoader

    if path in FIXED_KEYS:
        return FIXED_KEYS[path]
    if path == 'train_cfg':
        of_epochs, of_iterations = map(
            _parameters, (runner.EpochBasedTrainLoop, runner.IterBasedTrainLoop)
        )
        if 'by_epoch' not in section:  # required, says mmengine
            return of_epochs | of_iterations | {'by_epoch'}
        return (of_epochs if section['by_epoch'] else of_iterations) | {'by_epoch'}
    if path == 'optim_wrapper' and 'optimizer' in section:
        return _parameters(OptimWrapper) | OPTIM_WRAPPER_KEYS
    if path.endswith('_dataloader') and 'dataset' in section:
        return _parameters(DataLoader) | DATALOADER_KEYS
    if path.endswith('.teacher_temp'):
        from .engine.schedules import TeacherTemperature

        return set(TeacherTemperature._fields)
    if view := VIEW.search(path):
        return _keys_of_view(view[1])
    owners: dict[str, Callable[..., Any]] = {
        'val_cfg': runner.ValLoop,
        'test_cfg': runner.TestLoop,
        'log_processor': runner.LogProcessor,
        'randomness': runner.Runner.set_randomness,
    }
    return _parameters(owners[path]) if path in owners else None


def _keys_of_view(part: str | None) -> set[str]:
    from .datasets.transforms import views

    parts = {'.jitter': views.Jitter, '.blur': views.Blur, '.solarize': views.Solarize}
    return {field.name for field in fields(parts[part] if part else views.View)}


def arguments(path: str, target: Callable[..., Any]) -> set[str] | None:
    """Keys that a config may give to a class or function; None if it cannot be told.

    Args:
        path: Where the config stands.
        target: What its ``type`` names.
    """
    from mmengine.hooks import CheckpointHook
    from mmengine.runner import Runner

    accepted = accepted_arguments(target)
    if inspect.isclass(target) and issubclass(target, CheckpointHook):
        owners = (target.__init__, CheckpointHook.__init__)  # what they hand to the Runner
        accepted = set().union(*map(named_parameters, (*owners, Runner.save_checkpoint)))
    return None if accepted is None else accepted | _taken_before(path, target)


def _taken_before(path: str, target: Callable[..., Any]) -> set[str]:
    """Keys that a library takes out of a config before a class gets its arguments."""
    from mmengine.hooks import Hook
    from mmengine.model import BaseInit, PretrainedInit
    from mmengine.optim import BaseOptimWrapper, _ParamScheduler

    taken: tuple[tuple[Any, set[str]], ...] = (
        (Hook, {'priority'}),
        (BaseOptimWrapper, OPTIM_WRAPPER_KEYS),
        (_ParamScheduler, {'convert_to_iter_based'}),
        ((BaseInit, PretrainedInit), {'name', 'override'}),
    )
    keys = [keys for pattern, keys in KEYS_BY_PLACE if re.search(pattern, path)]
    if inspect.isclass(target):
        keys += [keys for owner, keys in taken if issubclass(target, owner)]
    return set().union(*keys)


def _parameters(target: Callable[..., Any]) -> set[str]:
    return accepted_arguments(target) or set()
