"""The training step alone, in a process of its own: ``python -m dinomm.doctor.step_probe``."""

import argparse
import copy
import json
import pickle
import resource
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import torch
from mmengine.fileio import LocalBackend, register_backend
from mmengine.runner import EpochBasedTrainLoop, Runner

from dinomm import launch, run_options
from dinomm.doctor.machine import read_text
from dinomm.doctor.plan import hook_named
from dinomm.registry import DATASETS, LOOPS

WARM_UP = 2
"""Steps that are not timed, if there is time for more."""
NO_MEMORY = (
    'out of memory',
    "can't allocate memory",
    'Cannot allocate memory',
    'CUBLAS_STATUS_ALLOC_FAILED',
)


class MeasuringBackend(LocalBackend):
    """Takes files and keeps their sizes alone."""

    sizes: list[int] = []  # of the class, since mmengine builds the object

    def put(self, obj: bytes | memoryview, filepath: str | Path) -> None:
        """Notes the size."""
        self.sizes.append(len(obj))


@LOOPS.register_module(force=True)
class StepProbe(EpochBasedTrainLoop):
    """Trains on one batch again and again, with all hooks of the run, and takes the time.

    Args:
        steps: To be timed, rounded up to whole accumulation windows.
        seconds: After which no further one begins.
    """

    def __init__(self, runner, dataloader, max_epochs: int, steps: int, seconds: float):
        super().__init__(runner, dataloader, max_epochs)
        self.steps, self.seconds = steps, seconds
        self.times: list[float] = []
        self.first_loss: float | None = None

    def run(self) -> Any:
        """Times the steps."""
        self.runner.call_hook('before_train')
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        batch = next(iter(self.dataloader))
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        begin = time.perf_counter()
        window = self.accumulation
        wanted = WARM_UP + -(-self.steps // window) * window
        while len(self.times) < wanted and (
            not self.times or time.perf_counter() - begin < self.seconds
        ):
            self._time(len(self.times), copy.deepcopy(batch))
        return self.runner.model

    @property
    def accumulation(self) -> int:
        """Micro-batches of an optimizer step."""
        return getattr(self.runner.optim_wrapper, '_accumulative_counts', 1)

    def _time(self, number: int, batch: Any) -> None:
        start = time.perf_counter()
        self.runner.call_hook('before_train_iter', batch_idx=number, data_batch=batch)
        logged = self.runner.model.train_step(batch, optim_wrapper=self.runner.optim_wrapper)
        self.runner.call_hook(
            'after_train_iter', batch_idx=number, data_batch=batch, outputs=logged
        )
        self._iter += 1
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.times.append(time.perf_counter() - start)
        if self.first_loss is None:
            self.first_loss = float(logged['loss'])

    def seconds_each(self) -> float:
        """Of a micro-batch: the mean of whole windows, or the median where each is a step."""
        timed = self.times[WARM_UP:] or self.times[-1:]
        whole = len(timed) // self.accumulation * self.accumulation
        timed = timed[:whole] or timed
        if self.accumulation == 1:
            return sorted(timed)[len(timed) // 2]
        return sum(timed) / len(timed)


def measure(args: argparse.Namespace, options: dict, folder: str) -> dict:
    """Figures of a run's step.

    Args:
        args: Of the command line.
        options: 'steps' and 'seconds' of :class:`StepProbe`, 'processes', 'batch_size' in place of
            the config's, 'memory' that may be taken on a machine without GPU.
        folder: For what the run writes.
    """
    config = run_options.resolve(args, options['processes'])
    validation = config.get('val_dataloader'), (config.get('val_cfg') or {}).copy()
    checkpoint = hook_named(config, 'ResumableCheckpointHook') or hook_named(
        config, 'CheckpointHook'
    )
    saved = {
        key: (checkpoint or {}).get(key, True) for key in ('save_optimizer', 'save_param_scheduler')
    }
    _prepare(config, options, folder)
    free = torch.cuda.mem_get_info()[0] if torch.cuda.is_available() else None
    if free is None and options['memory']:
        limit_memory(options['memory'])
    runner = launch.build_runner(config)
    runner.train()  # tells errors itself, by their types
    probe: Any = runner.train_loop
    figures = {
        'batch_size': config.train_dataloader.batch_size,
        'seconds': probe.seconds_each(),
        'first_seconds': probe.times[0],
        'is_warm': len(probe.times) > WARM_UP,
        'first_loss': probe.first_loss,
        'threads': torch.get_num_threads(),
        'device': str(next(runner.model.parameters()).device),
        'peak_bytes': peak_memory() if free is None else torch.cuda.max_memory_reserved(),
        'free_bytes': free,
        'parameters': _parameters(runner.model),
        'heads': _head_facts(runner),
    }
    figures['checkpoint_bytes'], figures['checkpoint_seconds'] = _checkpoint(runner, folder, saved)
    figures['validation'] = _validation(runner, *validation) if validation[0] else None
    return figures


def _prepare(config: Any, options: dict, folder: str) -> None:
    """The same step, without anything that begins late, and without a trace."""
    loader = config.train_dataloader
    loader.update(num_workers=0, persistent_workers=False)
    for key in ('prefetch_factor', 'timeout'):
        loader.pop(key, None)
    if options['batch_size']:
        loader.batch_size = options['batch_size']
    for part in ('dataloader', 'cfg', 'evaluator'):
        config[f'val_{part}'] = config[f'test_{part}'] = None
    probe = {key: options[key] for key in ('steps', 'seconds')}
    epochs = (config.get('train_cfg') or {}).get('max_epochs', 1)
    if 'max_epochs' not in config.train_cfg:
        config.param_scheduler = None
    config.train_cfg = {'type': 'dinomm.StepProbe', 'max_epochs': epochs, **probe}
    config.work_dir, config.resume = folder, False
    config.default_hooks.checkpoint = None
    if config.get('visualizer'):
        config.visualizer.vis_backends = [{'type': 'LocalVisBackend'}]
    if 'freeze_last_layer' in config.optim_wrapper:
        config.optim_wrapper.freeze_last_layer = 0
    masking = config.model.get('masking')
    if masking and 'start_epoch' in masking:
        masking.start_epoch = 0


def limit_memory(available: int) -> None:
    """Lets this process fail, rather than the machine, when it takes more."""
    taken = [line.split()[1] for line in _status() if line.startswith('VmData:')]
    limit = available + 1024 * int(taken[0]) if taken else available
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def peak_memory() -> int:
    """The most main memory that this process had, in bytes."""
    peak = [line.split()[1] for line in _status() if line.startswith('VmHWM:')]
    if peak:
        return 1024 * int(peak[0])
    unit = 1 if sys.platform == 'darwin' else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _status() -> list[str]:
    return read_text('/proc/self/status').splitlines()


def _parameters(model: Any) -> dict[str, int]:
    parts = {'model': model}
    if hasattr(model, 'backbone'):
        parts['backbone'] = model.backbone
    if isinstance(getattr(model, 'heads', None), torch.nn.ModuleDict):
        parts |= {f'head {name}': head for name, head in model.heads.items()}
    return {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}


def _head_facts(runner: Runner) -> list[dict]:
    if not hasattr(runner.model, 'heads') or not hasattr(runner.model, 'teacher'):
        return []
    from dinomm.engine.hooks.health_hook import run_facts

    return [head._asdict() for head in run_facts(runner).heads]


def _checkpoint(runner: Runner, folder: str, saved: dict) -> tuple[int, float]:
    """Bytes of a checkpoint, and seconds until they were ready to be written."""
    register_backend('dinomm_sizes', MeasuringBackend, force=True)
    start = time.perf_counter()
    runner.save_checkpoint(folder, 'probe.pth', backend_args={'backend': 'dinomm_sizes'}, **saved)
    return MeasuringBackend.sizes[-1], time.perf_counter() - start


def _validation(runner: Runner, loader: Any, loop: dict) -> dict:
    """Images of a validation, and seconds for each: of loading by one worker, of the network."""
    workers = max(1, loader.get('num_workers', 0))
    loader = copy.deepcopy(loader)
    loader.update(num_workers=0, persistent_workers=False, pin_memory=False)
    for key in ('prefetch_factor', 'timeout'):
        loader.pop(key, None)
    built = Runner.build_dataloader(loader, seed=runner.seed)
    queries = images = len(built.dataset)
    classes = (getattr(built.dataset, 'metainfo', None) or {}).get('classes')
    support = loop.get('support_dataloader')
    if support is not None:
        images += len(DATASETS.build(support.dataset))
    start = time.perf_counter()
    batch = next(iter(built))
    size = min(loader.batch_size, queries)
    loading = (time.perf_counter() - start) / size
    model: Any = runner.model
    run = getattr(model, 'extract_view_features', None) or model.val_step
    model.eval()
    with torch.no_grad():
        run(copy.deepcopy(batch))
        start = time.perf_counter()
        run(batch)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
    network = (time.perf_counter() - start) / size
    return {
        'queries': queries,
        'images': images,
        'classes': len(classes) if classes else None,
        'seconds_an_image': max(loading / workers, network),
    }


def failure(error: BaseException) -> dict:
    """What is told of an error: whether memory was short, and where it was raised."""
    raised_in = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
    return {
        'error': str(error) or type(error).__name__,
        'type': type(error).__name__,
        'out_of_memory': isinstance(error, MemoryError)
        or any(words in str(error) for words in NO_MEMORY),
        'is_sentence': launch.PACKAGE in raised_in.parents,
        'traceback': ''.join(traceback.format_exception(error)),
    }


def main() -> None:
    """Reads the request of the parent process, writes figures or the error as JSON."""
    request = pickle.load(sys.stdin.buffer)
    try:
        figures = measure(request['args'], request['options'], request['folder'])
    except Exception as error:
        figures = failure(error)
    Path(request['result']).write_text(json.dumps(figures))


if __name__ == '__main__':
    main()
