"""The key values of a run, as rows of name and text."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from mmengine.config import Config

from dinomm.report.summary import counted, of_class, precision, run_views

from .plan import Plan, hook_named
from .report import Row
from .report import counted as number_of

MOST_STEPS = 20_000
"""At which schedules are computed; longer runs at so many points."""


class Schedules(NamedTuple):
    """Values over the run, by name, and how many steps one of them stands for."""

    values: Mapping[str, Any]
    steps_each: float


def compute_schedules(config: Config, plan: Plan) -> Schedules:
    """Rates, momentum and temperatures; empty where they cannot be told.

    Args:
        config: Checked.
        plan: Of the run.
    """
    from dinomm.engine.schedule_values import schedule_values

    epoch_steps = max(1, round(plan.epoch_steps))
    by_epoch = all(one.get('by_epoch', True) for one in _schedulers(config))
    points = max(1, min(epoch_steps, MOST_STEPS // max(1, plan.epochs)))
    try:
        found = schedule_values(config, points if by_epoch else epoch_steps)
    except ValueError:  # no epochs, or no rate
        return Schedules({}, 1.0)
    return Schedules(found.values, plan.steps / max(1, len(found.epoch)))


def warm_up_epochs(config: Config) -> float:
    """Epochs until the schedulers that raise the learning rate have ended."""
    ends = [
        float(one.get('end', 0))
        for one in _schedulers(config)
        if of_class(one) == 'LinearLR' and one.get('by_epoch', True)
    ]
    return max(ends, default=0.0)


def network_rows(config: Config, parameters: Mapping[str, int]) -> list[Row]:
    """Backbone, heads, views."""
    model = config.model
    backbone = model.get('backbone') or {}
    arch = backbone.get('arch', backbone.get('model_name', backbone.get('depth')))
    name = of_class(backbone) + (f' {arch}' if isinstance(arch, str | int) else '')
    rows = [('model', of_class(model)), ('backbone', name + _size(parameters, 'backbone'))]
    for key, head in (model.get('heads') or {}).items():
        rows.append((f'head {key}', _head(head) + _size(parameters, f'head {key}')))
    if model.get('masking'):
        rows.append(('masking', of_class(model.masking)))
    patch = backbone.get('patch_size')
    of_tokens = isinstance(patch, int) and 'VisionTransformer' in of_class(backbone)
    for view in run_views(config):
        size, number = view.get('size', 224), view.get('num', 1)
        tokens = f', {(-(-size // patch)) ** 2} patches of {patch} px' if of_tokens else ''
        rows.append(('views', f'{number} x {size} px, scale {view.get("scale")}{tokens}'))
    return rows


def _head(head: Mapping[str, Any]) -> str:
    parts = [of_class(head)]
    if 'num_prototypes' in head:
        parts.append(f'{head["num_prototypes"]:,} prototypes')
    if head.get('centering'):
        parts.append(of_class(head['centering']))
    return ', '.join(parts)


def _size(parameters: Mapping[str, int], part: str) -> str:
    return f', {counted(parameters[part])} parameters' if part in parameters else ''


def schedule_rows(config: Config, plan: Plan, schedules: Schedules, base_lr: float) -> list[Row]:
    """Length, batch, rates, momentum, temperatures, precision."""
    factors = (plan.batch, 'image'), (plan.accumulation, 'micro-batch'), (plan.processes, 'process')
    parts = [number_of(*factor) for factor in factors]
    rows = [
        ('length', f'{plan.epochs} epochs, {plan.steps:,} optimizer steps'),
        ('epoch', f'{plan.iterations:,} iterations, {plan.epoch_steps:,.6g} steps'),
        ('batch', f'{plan.effective_batch:,} = {" x ".join(parts)}'),
    ]
    values = schedules.values
    lr = config.optim_wrapper.optimizer.get('lr')
    if lr is not None:
        scaled = '' if lr == base_lr else f', {base_lr:.4g} before --auto-scale-lr'
        last = values.get('learning rate')
        end = '' if last is None or not len(last) else f', {last[-1]:.2g} at the end'
        rows.append(('learning rate', f'{lr:.4g} at its peak{scaled}{end}'))
    warm_up = warm_up_epochs(config)
    if warm_up:
        rows.append(('warm-up', f'{warm_up:g} epochs, {warm_up * plan.epoch_steps:,.0f} steps'))
    for name in values:
        if name != 'learning rate':
            rows.append((name, _course(values[name])))
    rows.append(('optimizer', of_class(config.optim_wrapper.optimizer)))
    rows.append(('precision', precision(config.optim_wrapper)))
    return rows


def _course(values: Any) -> str:
    if not len(values):
        return ''
    first, last = float(values[0]), float(values[-1])
    return f'{first:.6g}' if first == last else f'{first:.6g} to {last:.6g}'


def kept_rows(config: Config) -> list[Row]:
    """Checkpoints, and where they go."""
    hook = hook_named(config, 'ResumableCheckpointHook') or hook_named(config, 'CheckpointHook')
    rows = [('work directory', str(config.work_dir))]
    if hook is None:
        return [*rows, ('checkpoints', 'none')]
    unit = 'epoch' if hook.get('by_epoch', True) else 'iteration'
    kept = hook.get('max_keep_ckpts', -1)
    text = f'every {number_of(hook.get("interval", -1), unit)}, {"all" if kept < 1 else kept} kept'
    best = f', best by {hook["save_best"]}' if hook.get('save_best') else ''
    return [*rows, ('checkpoints', text + best)]


def checkpoints_kept(config: Config, plan: Plan) -> int:
    """The most files that lie in the work directory at once; one more while one is written."""
    hook = hook_named(config, 'ResumableCheckpointHook') or hook_named(config, 'CheckpointHook')
    if hook is None or hook.get('interval', -1) < 1:
        return 0
    of_all = plan.epochs if hook.get('by_epoch', True) else plan.epochs * plan.iterations
    written = max(1, of_all // hook['interval'])
    kept = hook.get('max_keep_ckpts', -1)
    best = hook.get('save_best')
    num_best = 0 if not best else len(best) if isinstance(best, list | tuple) else 1
    return (written if kept < 1 else min(kept, written)) + num_best + 1


def _schedulers(config: Config) -> list[Any]:
    found = config.get('param_scheduler') or []
    return [found] if isinstance(found, Mapping) else list(found)
