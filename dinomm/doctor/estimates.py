"""From measured speeds to hours, memory and disk, and what to change."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mmengine.config import Config

from dinomm.report.summary import precision, run_views

from .findings import Finding, advice, fault
from .images import ImageSample
from .loader import LoaderSpeed
from .machine import Machine
from .plan import Plan, hook_named, validations
from .settings import checkpoints_kept

MOST_HOURS_LOST = 2.0
"""Between two checkpoints."""
LONG = 240.0
"""Hours of a run that is worth another look."""
MUCH_SLOWER = 1.15
"""Factor from which one of loader and step holds the other up."""
LITTLE_USED = 0.4
"""Share of the GPU's memory below which a larger batch is worth a try."""
NEARLY_FULL = 0.9


class Estimate(NamedTuple):
    """What a run costs.

    Attributes:
        step_images_per_s: Of one process, data at hand.
        loader_images_per_s: Of its loader alone.
        images_per_s: Of the run, all processes.
        bottleneck: 'loader', 'step', or 'cores' where both share the same ones.
        train_hours: Of the training steps.
        validation_hours: Estimated from one batch.
        checkpoint_hours: Until they are ready to be written; the disk's own time is not known.
        disk_bytes: Of the files that are kept, with the one that is being written.
        hours_between: Two checkpoints.
    """

    step_images_per_s: float
    loader_images_per_s: float
    images_per_s: float
    bottleneck: str
    train_hours: float
    validation_hours: float
    checkpoint_hours: float
    disk_bytes: int
    hours_between: float

    @property
    def hours(self) -> float:
        """Of the whole run."""
        return self.train_hours + self.validation_hours + self.checkpoint_hours


def estimate(
    config: Config, plan: Plan, machine: Machine, loader: LoaderSpeed, step: Mapping[str, Any]
) -> Estimate:
    """Puts the measured speeds together.

    Loader and step run at the same time. On a CPU they take turns on the same cores, so an image
    costs at least the sum of their core-seconds over the cores.
    """
    on_device = step['seconds'] / step['batch_size']
    loading = 1 / loader.images_per_s
    seconds, bottleneck = (on_device, 'step') if on_device >= loading else (loading, 'loader')
    if loader.workers == 0:
        seconds = on_device + loading
    elif step['device'] == 'cpu':
        threads = min(step['threads'], machine.cores)
        work = on_device * threads + loading * min(loader.workers, machine.cores)
        if work / machine.cores > seconds:
            seconds, bottleneck = work / machine.cores, 'cores'
    checked = step['validation']
    seconds_each = checked['images'] * checked['seconds_an_image'] if checked else 0.0
    epoch_hours = plan.iterations * plan.batch * seconds / 3600
    hook = hook_named(config, 'ResumableCheckpointHook') or hook_named(config, 'CheckpointHook')
    interval = max(1, (hook or {}).get('interval', 1))
    if hook and not hook.get('by_epoch', True):
        between = epoch_hours * interval / max(1, plan.iterations)
    else:
        between = epoch_hours * min(interval, plan.epochs)
    train_hours = epoch_hours * plan.epochs
    written = train_hours / between if hook and between else 0
    return Estimate(
        1 / on_device,
        loader.images_per_s,
        plan.processes / seconds,
        bottleneck,
        train_hours,
        validations(config, plan) * seconds_each / plan.processes / 3600,
        written * step['checkpoint_seconds'] / 3600,
        checkpoints_kept(config, plan) * step['checkpoint_bytes'],
        between,
    )


def speed_findings(
    config: Config,
    plan: Plan,
    machine: Machine,
    loader: LoaderSpeed,
    cost: Estimate,
    images: ImageSample | None,
) -> Iterator[Finding]:
    """What holds the run up, and what to change."""
    ratio = cost.step_images_per_s / cost.loader_images_per_s
    spare = machine.cores // local_processes(plan, machine) - max(1, loader.workers)
    if ratio > MUCH_SLOWER and cost.bottleneck != 'cores':
        yield advice('loader', _faster_loading(config, machine, loader, cost, spare, images))
    if loader.workers == 0 and machine.gpus:
        yield advice(
            'loader', 'the GPU waits while its process loads: set train_dataloader.num_workers=4'
        )
    workers = loader.workers * local_processes(plan, machine)
    if workers > 2 * machine.cores:
        yield advice(
            'loader',
            f'{workers} workers share {machine.cores} cores: train_dataloader.num_workers='
            f'{max(1, machine.cores // local_processes(plan, machine))} is enough',
        )
    if cost.hours > LONG:
        yield advice(
            'hours',
            f'{cost.hours:,.0f} hours: take more processes or a GPU, a smaller backbone, or fewer '
            'epochs',
        )
    if cost.hours_between > MOST_HOURS_LOST:
        yield advice(
            'checkpoints',
            f'a kill loses up to {cost.hours_between:.1f} hours: set '
            'default_hooks.checkpoint.by_epoch=False '
            f'default_hooks.checkpoint.interval={_iterations_of(plan, cost)} (an hour; SIGTERM and '
            'SIGUSR1 write one anyway)',
        )


def _faster_loading(
    config: Config,
    machine: Machine,
    loader: LoaderSpeed,
    cost: Estimate,
    spare: int,
    images: ImageSample | None,
) -> str:
    ratio = cost.step_images_per_s / cost.loader_images_per_s
    text = (
        f'it gives {cost.loader_images_per_s:,.0f} images/s and the step could take '
        f'{cost.step_images_per_s:,.0f}, so the device waits {1 - 1 / ratio:.0%} of the time: '
    )
    wanted = math.ceil(max(1, loader.workers) * ratio)
    steps = []
    if spare > 0:
        steps.append(
            f'train_dataloader.num_workers={min(wanted, max(1, loader.workers) + spare)} '
            f'(there are {machine.cores} cores)'
        )
    if wanted > max(1, loader.workers) + max(0, spare):
        each = max(1, loader.workers) / cost.loader_images_per_s
        if images and images.decode_seconds > 0.4 * each:
            steps.append(
                f'reading and decoding takes {1000 * images.decode_seconds:.0f} of the '
                f'{1000 * each:.0f} ms an image: smaller files, or tools/pack_shards.py where the '
                'storage is slow'
            )
            steps += _deferred_loading(config)
        if machine.gpus and run_views(config) and 'recolor_on_device' not in _pipeline(config):
            steps.append('MultiCrop(recolor_on_device=True), which leaves the colours to the GPU')
        if len(run_views(config)) > 2:
            steps.append('fewer local views')
    return text + ('; '.join(steps) or 'take a machine with more cores')


def _deferred_loading(config: Config) -> list[str]:
    if not run_views(config) or 'deferred' in _pipeline(config):
        return []
    return ['LoadImage(deferred=True), which decodes large JPEGs at a fraction of their size']


def _pipeline(config: Config) -> str:
    return str(config.train_dataloader.dataset.get('pipeline'))


def memory_findings(
    config: Config,
    plan: Plan,
    machine: Machine,
    loader: LoaderSpeed | None,
    step: Mapping[str, Any] | None,
    too_large: tuple[int, ...],
) -> Iterator[Finding]:
    """Whether step and workers fit into memory."""
    if too_large:
        if step is None:
            text = 'not even a batch of 1 fits: take a smaller backbone or smaller views'
        else:
            fits = step['batch_size']
            counts = plan.accumulation * math.ceil(plan.batch / fits)
            text = (
                f'a batch of {plan.batch} does not fit, {fits} does: set '
                f'train_dataloader.batch_size={fits} optim_wrapper.accumulative_counts={counts} '
                f'(effective batch {fits * counts * plan.processes:,})'
            )
        yield fault('memory', text)
    if step is not None and step['free_bytes']:
        share = step['peak_bytes'] / step['free_bytes']
        if share > NEARLY_FULL:
            yield advice(
                'memory',
                f"the step takes {share:.0%} of the GPU's free memory: a longer crop or another "
                'process on it, and the run dies; halve train_dataloader.batch_size and double '
                'optim_wrapper.accumulative_counts',
            )
        elif share < LITTLE_USED and not too_large:
            yield advice(
                'memory',
                f"the step takes {share:.0%} of the GPU's free memory: a "
                f'train_dataloader.batch_size={plan.batch * int(0.8 / share)} would fit (with '
                '--auto-scale-lr)',
            )
        if precision(config.optim_wrapper) == 'float32':
            yield advice(
                'precision',
                'float32 on a GPU: --amp is faster and takes less memory'
                if machine.gpus[0].bfloat16
                else 'float32 on a GPU without bfloat16: --amp float16 is faster',
            )
    if loader is not None and machine.shared_memory is not None:
        needed = loader.shared_bytes * local_processes(plan, machine)
        if needed > machine.shared_memory:
            yield fault(
                'shared memory',
                f"the workers' batches take {needed / 2**20:,.0f} MiB, and /dev/shm has "
                f'{machine.shared_memory / 2**20:,.0f} free: start the container with --shm-size, '
                'or lower train_dataloader.num_workers',
            )


def disk_findings(config: Config, cost: Estimate, free: int) -> Iterator[Finding]:
    """Whether the checkpoints fit on the disk."""
    if cost.disk_bytes > free:
        yield fault(
            'disk',
            f'the checkpoints take {cost.disk_bytes / 1e9:.2f} GB, and the disk of '
            f'{config.work_dir} has {free / 1e9:.2f} GB free: make room, choose another '
            '--work-dir, or lower default_hooks.checkpoint.max_keep_ckpts',
        )
    elif cost.disk_bytes > 0.8 * free:
        yield advice(
            'disk',
            f'the checkpoints take {cost.disk_bytes / 1e9:.2f} of the {free / 1e9:.2f} GB that '
            f'the disk of {config.work_dir} has free',
        )


def local_processes(plan: Plan, machine: Machine) -> int:
    """Processes of the run on this machine: as many as GPUs at most."""
    return max(1, min(plan.processes, len(machine.gpus) or 1))


def _iterations_of(plan: Plan, cost: Estimate) -> int:
    """So many that about an hour lies between two checkpoints; whole accumulation windows."""
    an_hour = plan.iterations * plan.epochs / max(cost.train_hours, 1e-9)
    return max(1, int(an_hour // plan.accumulation)) * plan.accumulation
