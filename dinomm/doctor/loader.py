"""Measures the data loader alone: images a second, with the workers of the config."""

import dataclasses
import time
import warnings
from collections.abc import Generator, Mapping
from typing import Any, NamedTuple

from mmengine.config import Config

PREFETCH = 2
"""Batches that each worker of torch's DataLoader has ready."""


class LoaderSpeed(NamedTuple):
    """What was measured.

    Attributes:
        images_per_s: Delivered by all workers.
        workers: Of the loader; 0: the training process itself.
        images: That were counted.
        batch_bytes: Of one batch, as it goes through shared memory.
        prefetch: Batches that each worker has ready.
    """

    images_per_s: float
    workers: int
    images: int
    batch_bytes: int
    prefetch: int

    @property
    def shared_bytes(self) -> int:
        """In shared memory when all workers are ahead, and one batch is in use."""
        return (self.workers * self.prefetch + 1) * self.batch_bytes if self.workers else 0


def build_loader(config: Config) -> Any:
    """The training data loader, as the Runner builds it; batches are not pinned.

    So this process leaves a GPU's memory to that of the step.
    """
    from mmengine.registry import init_default_scope
    from mmengine.runner import Runner
    from mmengine.utils.dl_utils import set_multi_processing

    # the findings say it, with the number to set
    warnings.filterwarnings('ignore', 'This DataLoader will create')
    init_default_scope(config.get('default_scope') or 'mmengine')
    settings = (config.get('env_cfg') or {}).get('mp_cfg') or {}
    set_multi_processing(**settings, distributed=False)
    seed = (config.get('randomness') or {}).get('seed') or 0
    settings = {**config.train_dataloader, 'pin_memory': False}
    return Runner.build_dataloader(settings, seed=seed)


def measure_loader(loader: Any, batch_size: int, seconds: float) -> LoaderSpeed:
    """Takes batches as fast as they come, after those that workers need to begin.

    Args:
        loader: With at least one batch.
        batch_size: Of the loader, which with a batch sampler does not tell.
        seconds: For which batches are counted, at least one.

    Raises:
        WorkerError: A worker died or hung.
    """
    from dinomm.datasets.workers import guard_workers, worker_failures_named

    guard_workers(loader)
    with worker_failures_named({'train_dataloader': loader}):
        return _measure(loader, min(batch_size, len(loader.sampler)), seconds)


def _measure(loader: Any, size: int, seconds: float) -> LoaderSpeed:
    warm_up = max(1, loader.num_workers)
    start, images, batch_bytes = 0.0, 0, 0
    batches = _endless(loader)
    for number, batch in enumerate(batches, 1):
        now = time.perf_counter()
        if number <= warm_up:
            start, batch_bytes = now, tensor_bytes(batch)
            continue
        images += size
        if now - start >= seconds:
            break
    batches.close()
    elapsed = max(time.perf_counter() - start, 1e-9)
    prefetch = loader.prefetch_factor or PREFETCH
    return LoaderSpeed(images / elapsed, loader.num_workers, images, batch_bytes, prefetch)


def _endless(loader: Any) -> Generator[Any, None, None]:
    epoch = 0
    while True:
        if hasattr(loader.sampler, 'set_epoch'):
            loader.sampler.set_epoch(epoch)
        yield from loader
        epoch += 1


def tensor_bytes(value: Any) -> int:
    """Bytes of all tensors in nested containers."""
    import torch

    if isinstance(value, torch.Tensor):
        return value.nbytes
    if isinstance(value, Mapping):
        return sum(map(tensor_bytes, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(tensor_bytes, value))
    if dataclasses.is_dataclass(value):  # views that lack their colours
        return sum(map(tensor_bytes, vars(value).values()))
    return 0
