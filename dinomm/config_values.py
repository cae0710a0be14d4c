"""Finds numbers of a config that make no sense, before anything slow is imported."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine import Config

WHOLE_FROM = {
    'train_cfg.max_epochs': 1,
    'train_cfg.val_begin': 0,
    'train_cfg.val_interval': 1,
    'train_dataloader.batch_size': 1,
    'train_dataloader.num_workers': 0,
    'train_dataloader.sampler.epoch_size': 1,
    'val_dataloader.batch_size': 1,
    'val_dataloader.num_workers': 0,
    'optim_wrapper.accumulative_counts': 1,
    'optim_wrapper.freeze_last_layer': 0,
    'default_hooks.checkpoint.interval': -1,  # never
    'default_hooks.checkpoint.max_keep_ckpts': -1,  # all
    'default_hooks.logger.interval': 1,
    'log_processor.window_size': 1,
    'randomness.seed': 0,
}
"""Keys of whole numbers, and the least that makes sense."""

SECTIONS = (
    'model',
    'model.backbone',
    'model.heads',
    *(
        f'{part}_{suffix}'
        for part in ('train', 'val', 'test')
        for suffix in ('cfg', 'dataloader', 'dataloader.dataset')
    ),
    'val_cfg.support_dataloader',
    'val_cfg.support_dataloader.dataset',
    'test_cfg.support_dataloader',
    'test_cfg.support_dataloader.dataset',
    'optim_wrapper',
    'optim_wrapper.optimizer',
    'default_hooks',
    'default_hooks.checkpoint',
    'default_hooks.logger',
    'env_cfg',
    'randomness',
    'auto_scale_lr',
)
"""Keys of dicts, if they are there."""

NOT_NEGATIVE = ('optim_wrapper.optimizer.lr', 'optim_wrapper.optimizer.weight_decay')


def check_sections(config: Config) -> None:
    """Checks that what is a dict or a list of dicts in every config is one in this.

    Raises:
        ValueError: The first key that is something else.
    """
    for path in SECTIONS:
        value = _value(config, path)
        if value is not None and not isinstance(value, Mapping):
            raise ValueError(f'{path} is {value!r:.100}: expected a dict')
    for path in ('custom_hooks', 'param_scheduler'):
        value = _value(config, path)
        entries = [value] if isinstance(value, Mapping) else value
        if entries is not None and not (
            isinstance(entries, list | tuple) and all(isinstance(one, Mapping) for one in entries)
        ):
            raise ValueError(f'{path} is {value!r:.100}: expected a list of dicts')


def check_values(config: Config) -> None:
    """Checks counts, rates and the order of the schedules.

    Raises:
        ValueError: The first key whose value makes no sense, and what it may be.
    """
    for problem in value_problems(config):
        raise ValueError(problem)


def value_problems(config: Config) -> Iterator[str]:
    """All keys whose value makes no sense, a sentence each."""
    for path, least in WHOLE_FROM.items():
        value = _value(config, path)
        if value is not None and not (_is_whole(value) and value >= least):
            yield f'{path} is {value!r}: expected a whole number from {least}'
    for path in NOT_NEGATIVE:
        value = _value(config, path)
        if value is not None and not (_is_number(value) and value >= 0):
            yield f'{path} is {value!r}: expected a number from 0'
    if _value(config, 'auto_scale_lr.enable') and _value(config, 'auto_scale_lr.rule'):
        yield (
            'auto_scale_lr.enable is True: then mmengine scales the rate, which knows no '
            'auto_scale_lr.rule; leave enable away and start with --auto-scale-lr'
        )
    yield from _anchors_that_nobody_sets(config)
    yield from _schedules_after_the_end(config)


def _anchors_that_nobody_sets(config: Config) -> Iterator[str]:
    heads, hooks = _value(config, 'model.heads'), config.get('custom_hooks') or ()
    names = [n for n, h in heads.items() if _is_type(h, 'GramHead')] if heads else []
    if names and not any(_is_type(hook, 'GramAnchorHook') for hook in hooks):
        yield (
            f'model.heads.{names[0]} (GramHead) compares with an anchor, and nobody sets one: its '
            "loss would be 0 for ever; add dict(type='GramAnchorHook', begin=EPOCH) to custom_hooks"
        )


def _schedules_after_the_end(config: Config) -> Iterator[str]:
    max_epochs = _value(config, 'train_cfg.max_epochs')
    schedulers = config.get('param_scheduler')
    if max_epochs is None or not isinstance(schedulers, list | tuple):
        return
    for i, scheduler in enumerate(schedulers):
        begin = scheduler.get('begin', 0) if isinstance(scheduler, Mapping) else 0
        if not _is_number(begin):
            yield f'param_scheduler.{i}.begin is {begin!r}: expected a number'
        elif begin and scheduler.get('by_epoch', True) and begin >= max_epochs:
            yield (
                f'param_scheduler.{i} ({scheduler.get("type")}) begins at epoch {begin}, but '
                f'train_cfg.max_epochs is {max_epochs}: shorten the schedules before it, e.g. '
                f'--cfg-options param_scheduler.{i}.begin=1 param_scheduler.{max(0, i - 1)}.end=1'
            )


def _value(config: Config, path: str) -> Any:
    """What stands at a dotted path, None where there is nothing."""
    value: Any = config
    for key in path.split('.'):
        value = value.get(key) if isinstance(value, Mapping | Config) else None
    return value


def _is_type(config: Any, name: str) -> bool:
    return isinstance(config, Mapping) and str(config.get('type')).rpartition('.')[2] == name


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
