"""Workers that load data: what they were doing when they died or hung."""

import multiprocessing
import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.data import DataLoader, get_worker_info

from dinomm.preemption import obey_parent_alone

RECENT = 3
"""Files of a worker that a message names."""

DIED = re.compile(r'DataLoader worker \(pid\(?s?\)? ([\d, ]+)\) (.*)')
TIMED_OUT = 'DataLoader timed out'


class WorkerError(RuntimeError):
    """A worker died, or gave nothing for too long."""


class WorkerLog:
    """Last samples of each worker, in memory that all processes share.

    Args:
        num_workers: Of one data loader.
    """

    def __init__(self, num_workers: int) -> None:
        # a worker's process id, how many samples it began, their numbers in a ring
        self._rows = torch.zeros(num_workers, 2 + RECENT, dtype=torch.long).share_memory_()
        # when it began the sample that it is busy with, 0 if with none
        self._since = torch.zeros(num_workers, dtype=torch.double).share_memory_()

    def start(self, worker: int, pid: int) -> None:
        """A worker process begins."""
        self._rows[worker, 0] = pid
        self._since[worker] = 0

    def begin(self, index: int) -> None:
        """The calling worker turns to a sample; in another process nothing is noted."""
        worker = get_worker_info()
        if worker is not None:
            row = self._rows[worker.id].numpy()
            row[2 + row[1] % RECENT] = index
            row[1] += 1
            self._since.numpy()[worker.id] = time.monotonic()

    def end(self) -> None:
        """The calling worker has finished its sample."""
        worker = get_worker_info()
        if worker is not None:
            self._since.numpy()[worker.id] = 0

    def pids(self) -> list[int]:
        """Process ids by worker, 0 of one that never began."""
        return self._rows[:, 0].tolist()

    def recent(self, worker: int) -> list[int]:
        """Numbers of the last samples of a worker, the newest first."""
        count, *ring = self._rows[worker, 1:].tolist()
        return [ring[i % RECENT] for i in range(count - 1, max(count - 1 - RECENT, -1), -1)]

    def busiest(self) -> int | None:
        """The worker that has been with one sample for the longest."""
        since = [(begun, worker) for worker, begun in enumerate(self._since.tolist()) if begun]
        return min(since)[1] if since else None


class _Start:
    """What a worker does first: the loader's own function, then this module's."""

    def __init__(self, own: Callable[[int], Any] | None, log: WorkerLog) -> None:
        self.own, self.log = own, log

    def __call__(self, worker: int) -> None:
        if self.own is not None:
            self.own(worker)
        obey_parent_alone()
        self.log.start(worker, multiprocessing.current_process().pid or 0)


def guard_workers(loader: DataLoader) -> None:
    """Lets :func:`worker_failures_named` tell what this loader's workers did.

    A ``timeout`` of a loader without workers, which torch refuses, is dropped.
    """
    if not loader.num_workers:
        loader.timeout = 0
        return
    log = WorkerLog(loader.num_workers)
    loader.worker_init_fn = _Start(loader.worker_init_fn, log)
    loader.dataset.worker_log = log  # type: ignore[attr-defined]


@contextmanager
def worker_failures_named(loaders: Mapping[str, DataLoader]) -> Iterator[None]:
    """Says which worker of a guarded loader died or hung, with its last files.

    Args:
        loaders: By their keys in the config.

    Raises:
        WorkerError: In place of torch's RuntimeError.
    """
    try:
        yield
    except RuntimeError as error:
        died = DIED.search(str(error))
        if not died and TIMED_OUT not in str(error):
            raise
        guarded = {
            key: loader for key, loader in loaders.items() if isinstance(_log(loader), WorkerLog)
        }
        message = _death(guarded, died) if died else _stall(guarded)
        raise WorkerError(message) from None


def _death(loaders: Mapping[str, DataLoader], died: re.Match) -> str:
    pids = [int(pid) for pid in died[1].split(',')]
    for key, loader in loaders.items():
        for worker, pid in enumerate(_log(loader).pids()):
            if pid in pids:
                end = re.sub(r'\. It is possible.*|[. ]+$', '', died[2].removeprefix('is '))
                return (
                    f'worker {worker} of {key} (process {pid}) died: {end}. '
                    f'{_files(loader, worker)}. Killed from outside it has most often used up the '
                    "machine's main memory: fewer workers or smaller batches "
                    f'({key}.num_workers, {key}.batch_size). If it dies at the same file again, '
                    'remove that file. Go on with --resume'
                )
    return f'a worker that loads data (process {died[1]}) died: {died[2]}. Go on with --resume'


def _stall(loaders: Mapping[str, DataLoader]) -> str:
    busy = [(_log(loader).busiest(), key) for key, loader in loaders.items() if loader.timeout]
    for worker, key in busy:
        if worker is not None:
            loader, pid = loaders[key], _log(loaders[key]).pids()[worker]
            message = (
                f'no batch came for {loader.timeout:g} s ({key}.timeout): worker {worker} (process '
                f'{pid}) does not get on. {_files(loader, worker)}. Can these files be read, is '
                'their disk or server there? For slow storage raise the timeout, for none set 0. '
                'Go on with --resume'
            )
            _kill(pid)
            return message
    return (
        'no batch came for as long as the timeout of the data loader allows, though no worker is '
        'busy with a file: is the machine out of memory, or /dev/shm full? Go on with --resume'
    )


def _files(loader: DataLoader, worker: int) -> str:
    recent, dataset = _log(loader).recent(worker), loader.dataset
    if not recent or not hasattr(dataset, 'image_path'):
        return 'Its files are not known'
    return 'Its last files, the newest first: ' + ', '.join(map(dataset.image_path, recent))


def _log(loader: DataLoader) -> Any:
    return getattr(loader.dataset, 'worker_log', None)


def _kill(pid: int) -> None:
    """A worker that hangs would keep this process from ending."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch's handler would raise once more
    for child in multiprocessing.active_children():
        if child.pid == pid:
            child.kill()
