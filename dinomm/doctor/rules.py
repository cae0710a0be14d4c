"""What commonly goes wrong, told from the config alone."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.config import Config

from dinomm.evaluation.health_rules import HeadFacts, judge_batch
from dinomm.report.summary import of_class, run_views

from .findings import Finding, advice, fault
from .plan import Plan, hook_named
from .settings import Schedules, warm_up_epochs

FAR_BATCH, FARTHER_BATCH = 2.0, 4.0
"""Ratios of the batch to the one that the rate is meant for."""
STILL_FIRST, MOSTLY_FIRST = 0.3, 0.5
"""Shares of its random beginning that the teacher still has at the end."""
FAST_TEACHER = 0.98
"""Momentum below which the teacher follows within 50 steps; published are 0.992 to 0.9995."""
SMALL_BATCH, SLOW_TEACHER, LONG_RUN = 256, 0.999, 20_000
"""Batches for which 0.9995 is published advice, in runs of many steps."""


def settings_findings(
    config: Config,
    plan: Plan,
    schedules: Schedules,
    heads: Sequence[Mapping[str, Any]],
    is_scaled: bool = False,
) -> Iterator[Finding]:
    """Findings on length, batch, rate, teacher, views and checkpoints.

    Args:
        config: Resolved.
        plan: Of the run.
        schedules: Of the run.
        heads: `HeadFacts` as dicts, of one process; empty where there are none.
        is_scaled: Whether the rate was fitted to the batch.
    """
    yield from length_findings(plan)
    if plan.iterations == 0:
        return
    if not is_scaled:
        yield from rate_findings(config, plan)
    yield from warm_up_findings(config, plan)
    yield from teacher_findings(config, plan, schedules)
    yield from view_findings(config)
    yield from checkpoint_findings(config, plan)
    for head in heads:
        facts = HeadFacts(**head)
        over_ranks = facts.type != 'KoLeoHead'
        facts = facts._replace(images=facts.images * (plan.processes if over_ranks else 1))
        verdict = judge_batch(facts)
        if verdict.state == 'watch':
            yield advice(f'batch, head {facts.name}', verdict.text)


def length_findings(plan: Plan) -> Iterator[Finding]:
    """Whether an epoch has a step."""
    if plan.iterations == 0:
        share = plan.epoch_images // plan.processes
        yield fault(
            'data',
            f'an epoch has no step: each process has {share:,} images, a batch {plan.batch}; set '
            f'train_dataloader.batch_size={max(1, share // 4)} or give more images',
        )
    elif plan.dropped > 0.1 * plan.epoch_images:
        yield advice(
            'data',
            f'{plan.dropped:,} of {plan.epoch_images:,} images are left out of each epoch, as '
            'they fill no batch: take a train_dataloader.batch_size that divides better',
        )


def rate_findings(config: Config, plan: Plan) -> Iterator[Finding]:
    """Whether the rate is meant for the batch."""
    settings = config.get('auto_scale_lr') or {}
    base, lr = settings.get('base_batch_size'), config.optim_wrapper.optimizer.get('lr')
    if base and lr:
        ratio = plan.effective_batch / base
        if ratio < 1 / FAR_BATCH or ratio > FAR_BATCH:
            factor = math.sqrt(ratio) if settings.get('rule') == 'sqrt' else ratio
            text = (
                f'{lr:.3g} is meant for batches of {base:,}, and the run has '
                f'{plan.effective_batch:,}: give --auto-scale-lr (it sets {lr * factor:.3g})'
            )
            if ratio < 1:
                more = max(2, round(1 / ratio * plan.accumulation))
                text += f', or keep the batch by optim_wrapper.accumulative_counts={more}'
            kind = fault if ratio < 1 / FARTHER_BATCH else advice
            yield kind('learning rate', text)


def warm_up_findings(config: Config, plan: Plan) -> Iterator[Finding]:
    """Whether the warm-up ends."""
    warm_up = warm_up_epochs(config)
    if warm_up and warm_up >= plan.epochs:
        shorter = max(1, plan.epochs // 10)
        yield fault(
            'warm-up',
            f'the learning rate rises for {warm_up:g} epochs, and the run has {plan.epochs}: it '
            f'never gets to its peak; e.g. param_scheduler.0.end={shorter} '
            f'param_scheduler.1.begin={shorter}',
        )


def teacher_findings(config: Config, plan: Plan, schedules: Schedules) -> Iterator[Finding]:
    """Whether the teacher's momentum and temperature fit the number of steps."""
    momentum = schedules.values.get('teacher momentum')
    if momentum is not None and len(momentum) and not config.get('load_from'):
        first = float(momentum[0])
        left = math.exp(-float((1 - momentum).sum()) * schedules.steps_each)
        if left > STILL_FIRST:
            fitting = max(0.9, 1 - 2 * 3 / max(plan.steps, 1))
            kind = fault if left > MOSTLY_FIRST else advice
            yield kind(
                'teacher',
                f'after {plan.steps:,} steps the teacher still is {left:.0%} of its random '
                f'beginning (momentum {first:g}): train for more epochs, or lower TeacherEMAHook.'
                f'momentum in custom_hooks, to {fitting:.3g} say',
            )
        elif 0 < first < FAST_TEACHER:
            yield advice(
                'teacher',
                f'with a momentum of {first:g} it follows the student within '
                f'{1 / (1 - first):.0f} steps (published: 0.992 to 0.9995)',
            )
        elif plan.effective_batch <= SMALL_BATCH and first < SLOW_TEACHER and plan.steps > LONG_RUN:
            yield advice(
                'teacher',
                f'a batch of {plan.effective_batch} in a run of {plan.steps:,} steps wants a '
                f'slower teacher than momentum {first:g}: published advice for 256 is 0.9995',
            )
    for name, head in (config.model.get('heads') or {}).items():
        temperature = head.get('teacher_temp')
        if not isinstance(temperature, Mapping):
            continue
        ends = temperature.get('start_epoch', 0) + temperature.get('warmup_epochs', 0)
        if ends > plan.epochs and temperature.get('start') != temperature.get('end'):
            yield advice(
                'temperature',
                f'model.heads.{name}.teacher_temp gets to its end after {ends:g} epochs, and the '
                f'run has {plan.epochs}: set warmup_epochs={max(1, round(0.3 * plan.epochs))}',
            )


def view_findings(config: Config) -> Iterator[Finding]:
    """Whether the views' sizes fit the patches."""
    backbone = config.model.get('backbone') or {}
    patch = backbone.get('patch_size')
    if not isinstance(patch, int) or 'VisionTransformer' not in of_class(backbone):
        return
    for size in sorted({view.get('size', 224) for view in run_views(config)}):
        if size < patch:
            yield fault('views', f'a view of {size} px is smaller than a patch of {patch} px')
        elif size % patch:
            whole = size // patch * patch
            yield advice(
                'views',
                f'views of {size} px are no multiple of the patch, {patch} px, and are padded '
                f'with zeros: take {whole} or {whole + patch}',
            )


def checkpoint_findings(config: Config, plan: Plan) -> Iterator[Finding]:
    """Whether a killed run can go on."""
    if hook_named(config, 'ResumableCheckpointHook'):
        hook = hook_named(config, 'ResumableCheckpointHook')
    elif hook_named(config, 'CheckpointHook'):
        hook = hook_named(config, 'CheckpointHook')
        yield advice(
            'checkpoints',
            "mmengine's CheckpointHook can leave a run without a whole checkpoint: set "
            'default_hooks.checkpoint.type=ResumableCheckpointHook',
        )
    else:
        yield fault('checkpoints', 'nothing is saved: set default_hooks.checkpoint')
        return
    interval = hook.get('interval', -1)
    length = plan.epochs if hook.get('by_epoch', True) else plan.epochs * plan.iterations
    if interval < 1 or interval > length:
        last = hook.get('save_last', True) and interval >= 1
        kind = advice if last else fault
        yield kind(
            'checkpoints',
            f'default_hooks.checkpoint.interval is {interval}, and the run has {length}: '
            + ('only its end is saved' if last else 'nothing is saved'),
        )
