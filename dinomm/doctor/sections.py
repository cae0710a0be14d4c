"""What was found, as rows of a name and a value."""

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from .estimates import Estimate
from .images import ImageSample
from .loader import LoaderSpeed
from .machine import Machine
from .plan import Plan, validations
from .report import counted, duration, size

Rows = list[tuple[str, str]]


def machine_rows(machine: Machine) -> Rows:
    """Processor, GPUs, shared memory, versions."""
    memory = '' if machine.memory is None else f', {size(machine.memory)} of memory free'
    rows = [('processor', f'{machine.processor}, {machine.cores} cores{memory}')]
    for gpu in machine.gpus:
        number = 'bfloat16' if gpu.bfloat16 else 'no bfloat16'
        rows.append(('GPU', f'{gpu.name}, {size(gpu.memory)}, {number}'))
    if not machine.gpus:
        rows.append(('GPU', 'none found: the run trains on the CPU'))
    if machine.driver:
        rows.append(('driver', machine.driver))
    if machine.shared_memory is not None:
        rows.append(('/dev/shm', f'{size(machine.shared_memory)} free'))
    rows.append(('versions', ', '.join(map(' '.join, machine.versions.items()))))
    return rows


def data_rows(
    config: Config, plan: Plan, sample: ImageSample | None, step: Mapping[str, Any] | None
) -> Rows:
    """Images of training and validation."""
    dataset = config.train_dataloader.dataset
    rows = [('images', f'{plan.images:,} in {dataset.get("root", dataset.get("data_root"))}')]
    if plan.epoch_images != plan.images:
        rows.append(('an epoch', f'{plan.epoch_images:,} images (sampler.epoch_size)'))
    rows.append(('left out', f'{plan.dropped:,} at the end of each epoch'))
    if sample:
        read = sample.looked_at - len(sample.broken)
        rows.append(
            (
                'decoded',
                f'{read} of {sample.looked_at}, {1000 * sample.decode_seconds:.1f} ms each, '
                f'shorter side {sample.sides:.0f} px (medians)',
            )
        )
    checked = (step or {}).get('validation')
    if config.get('val_dataloader') is None:
        rows.append(('validation', 'none: no labels, or left out'))
    elif checked:
        times = validations(config, plan)
        classes = f', {checked["classes"]} classes' if checked['classes'] else ''
        rows.append(('validation', f'{checked["queries"]:,} images{classes}, {times} times'))
    return rows


def cost_rows(
    plan: Plan, speed: LoaderSpeed, step: Mapping[str, Any], cost: Estimate, free: int
) -> Rows:
    """Speeds, memory, hours, disk."""
    of = f' of {size(step["free_bytes"])} free' if step['free_bytes'] else ''
    what = 'GPU' if step['free_bytes'] else 'process'
    both = {'cores': 'the cores, which both share'}
    bound = both.get(cost.bottleneck, f'the {cost.bottleneck}')
    few = '' if step['is_warm'] else ' (of the very first steps: --steps takes more time)'
    rows = [
        (
            'loader alone',
            f'{speed.images_per_s:,.1f} images/s, {counted(speed.workers, "worker")}',
        ),
        (
            'step alone',
            f'{cost.step_images_per_s:,.1f} images/s, {1000 * step["seconds"]:,.0f} ms for '
            f'{step["batch_size"]} images{few}',
        ),
        ('together', f'{cost.images_per_s:,.1f} images/s, held up by {bound}'),
        ('peak memory', f'{size(step["peak_bytes"])} of the {what}{of}'),
        ('training', f'{duration(cost.train_hours)}, from these speeds'),
        ('validation', f'{duration(cost.validation_hours)}, estimated from one batch'),
        ('in all', duration(cost.hours)),
        ('checkpoint', f'{size(step["checkpoint_bytes"])} each'),
        ('disk', f'{size(cost.disk_bytes)} at most, {size(free)} free'),
    ]
    if plan.processes > 1:
        rows.insert(3, ('', 'the exchange of gradients is not in it: one process was measured'))
    return rows
