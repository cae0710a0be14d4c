"""Workers that load data: what they were doing when they died or hung."""

import multiprocessing
import re
import signal
import threading
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
SECONDS_TO_END = 2.0


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

    def busy(self) -> list[int]:
        """Workers in the midst of a sample, the one that has been with it for the longest first."""
        since = [(begun, worker) for worker, begun in enumerate(self._since.tolist()) if begun]
        return [worker for _, worker in sorted(since)]


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
    except (RuntimeError, EOFError, OSError) as error:
        guarded = {
            key: loader for key, loader in loaders.items() if isinstance(_log(loader), WorkerLog)
        }
        with _torch_is_quiet():
            message = _explained(error, guarded)
        if message is None:
            raise
        raise WorkerError(message) from None


def _explained(error: Exception, loaders: Mapping[str, DataLoader]) -> str | None:
    died = DIED.search(str(error))
    if died:
        return _death(loaders, [int(pid) for pid in died[1].split(',')], died[2])
    if TIMED_OUT in str(error):
        return _stall(loaders)
    if isinstance(error, EOFError | ConnectionError | FileNotFoundError):  # of a broken pipe
        gone = _gone_while_busy(loaders)
        return _death(loaders, gone, 'it vanished') if gone else None
    return None


def _gone_while_busy(loaders: Mapping[str, DataLoader]) -> list[int]:
    """Processes that ended within a sample; their connections break a little before they do."""
    busy = [log.pids()[w] for log in map(_log, loaders.values()) for w in log.busy()]
    deadline = time.monotonic() + SECONDS_TO_END
    while True:
        alive = {child.pid for child in multiprocessing.active_children()}
        gone = [pid for pid in busy if pid not in alive]
        if gone or not busy or time.monotonic() > deadline:
            return gone
        time.sleep(0.05)


def _death(loaders: Mapping[str, DataLoader], pids: list[int], how: str) -> str:
    how = re.sub(r'\. It is possible.*|[. ]+$', '', how.removeprefix('is '))
    for key, loader in loaders.items():
        for worker, pid in enumerate(_log(loader).pids()):
            if pid in pids:
                return (
                    f'worker {worker} of {key} (process {pid}) died: {how}. '
                    f'{_files(loader, worker)}. Killed from outside it has most often used up the '
                    "machine's main memory: fewer workers or smaller batches "
                    f'({key}.num_workers, {key}.batch_size). If it dies at the same file again, '
                    'remove that file. Go on with --resume'
                )
    return f'a worker that loads data (process {pids[0]}) died: {how}. Go on with --resume'


def _stall(loaders: Mapping[str, DataLoader]) -> str:
    for key, loader in loaders.items():
        for worker in _log(loader).busy()[:1] if loader.timeout else ():
            pid = _log(loader).pids()[worker]
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
    for child in multiprocessing.active_children():
        if child.pid == pid:
            child.kill()
            child.join(5)


@contextmanager
def _torch_is_quiet() -> Iterator[None]:
    """torch's handler of a child's end would raise in the midst of the explanation."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, former)
