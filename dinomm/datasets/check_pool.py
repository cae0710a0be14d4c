"""Inspects images in processes that may die or hang over one of them."""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from multiprocessing.connection import wait
from typing import Any, NamedTuple

from .file_names import PackedPaths
from .inspection import Finding, fault_of, inspect
from .listing import Listing
from .storage import Storage
from .transforms.loading import BrokenImageError

LARGEST_CHUNK = 32  # images that a process is given at once
POLL = 0.2  # seconds


class Images(NamedTuple):
    """What every process is given."""

    storage: Storage
    paths: PackedPaths

    def inspect(self, row: int) -> Finding:
        """Fetches and decodes an image.

        Raises:
            OSError: The storage fails, which says nothing about the image.
        """
        path = self.paths[row]
        try:
            content = self.storage.content(row, path)
        except BrokenImageError as error:
            return fault_of(error)
        return inspect(self.storage.name(row, path), content)


class _Job(NamedTuple):
    """Rows to inspect; the first for the second time if a process has died over it."""

    start: int
    stop: int
    again: bool = False


def inspect_all(
    listing: Listing, num_processes: int, seconds: float, count: Callable[[int], None]
) -> Generator[tuple[int, Finding], None, None]:
    """Yields the rows that are broken or unusual, in no certain order.

    A process that dies is replaced, and tries the same image once more: what the second one dies
    over is named. So is an image that takes longer than ``seconds``.

    Args:
        listing: The images.
        num_processes: At most; it takes no more than there is work for.
        seconds: For one image.
        count: Is told how many more are done.

    Raises:
        OSError: The storage fails.
        RuntimeError: Processes cannot be started.
    """
    images = Images(listing.storage, PackedPaths(listing.paths))
    total = len(images.paths)
    waiting: deque[_Job] = deque()
    chunk = max(1, min(LARGEST_CHUNK, total // (4 * num_processes)))
    fresh = iter(range(0, total, chunk))

    def next_job() -> _Job | None:
        if waiting:
            return waiting.popleft()
        start = next(fresh, None)
        return None if start is None else _Job(start, min(start + chunk, total))

    workers: list[_Worker] = []
    try:
        for _ in range(min(num_processes, -(-total // chunk))):
            workers.append(_Worker(images, next_job()))
        while workers:
            wait([worker.connection for worker in workers], timeout=POLL)
            for worker in list(workers):
                dead = not worker.process.is_alive()
                late = not dead and worker.seconds() > seconds
                if late:
                    worker.kill()
                for message in worker.messages():
                    yield from _reported(message)
                if worker.idle:
                    count(worker.job.stop - worker.job.start)
                    job = next_job()
                    if job and worker.process.is_alive():
                        worker.give(job)
                        continue
                elif dead or late:
                    finding, job = worker.lost(late, seconds)
                    count((job.start if job else worker.job.stop) - worker.job.start)
                    if finding:
                        yield finding
                    job = job or next_job()
                else:
                    continue
                workers.remove(worker)
                worker.kill()
                if job:
                    workers.append(_Worker(images, job))
    finally:
        for worker in workers:
            worker.kill()


def _reported(message: tuple[str, Any]) -> Iterator[tuple[int, Finding]]:
    kind, content = message
    if kind == 'storage':
        raise OSError(content)
    if kind == 'error':
        raise RuntimeError(content)
    yield content


class _Worker:
    """A process with one job at a time."""

    def __init__(self, images: Images, job: _Job | None) -> None:
        # forked where that is safe: nothing is imported anew, and the paths are shared
        forks = sys.platform.startswith('linux')
        context: Any = multiprocessing.get_context('fork' if forks else 'spawn')
        self.connection, theirs = context.Pipe()
        self._row: Any = context.Value(ctypes.c_longlong, -1, lock=False)
        self._since: Any = context.Value(ctypes.c_double, -1.0, lock=False)  # 0 between two images
        shared = (self._row, self._since)
        self.process = context.Process(
            target=_work, args=(images, theirs, *shared, os.getpid()), daemon=True
        )
        self.process.start()
        theirs.close()
        self.idle = False
        if job:
            self.give(job)

    def give(self, job: _Job) -> None:
        """Starts a job."""
        self.job, self.idle = job, False
        self._row.value = job.start
        with contextlib.suppress(OSError):  # it has ended, which is seen by and by
            self.connection.send((job.start, job.stop))

    def seconds(self) -> float:
        """How long it has been with its image."""
        since = self._since.value
        return time.monotonic() - since if since > 0 else 0.0

    def messages(self) -> Iterator[tuple[str, Any]]:
        """What it has sent; sets ``idle`` when its job is done."""
        try:
            while self.connection.poll():
                message = self.connection.recv()
                if message is None:
                    self.idle = True
                else:
                    yield message
        except (EOFError, OSError):  # it ended, maybe in the midst of a message
            return

    def lost(self, late: bool, limit: float) -> tuple[tuple[int, Finding] | None, _Job | None]:
        """Of one that has ended inside a job: what to say of an image, and what is left to do."""
        row, stop = self._row.value, self.job.stop
        if self._since.value < 0:
            raise RuntimeError(
                f'a process that inspects images ended as it began ({_end(self.process)}): is the '
                'machine out of memory? Fewer processes: --workers 1'
            )
        if late and self._since.value > 0:
            finding = Finding('too slow', f'it took longer than {limit:g} s')
        elif row == self.job.start and self.job.again:
            finding = Finding('ends the process', f'{_end(self.process)} while it was decoded')
        else:
            return None, _Job(row, stop, again=not late) if row < stop else None
        return (row, finding), _Job(row + 1, stop) if row + 1 < stop else None

    def kill(self) -> None:
        """Ends the process, whatever it does."""
        self.process.kill()
        self.process.join()


def _end(process: Any) -> str:
    process.join(1)
    code = process.exitcode or 0
    return f'{signal.Signals(-code).name}' if code < 0 else f'exit status {code}'


def _work(images: Images, connection: Any, row: Any, since: Any, parent: int) -> None:
    """Inspects what it is told to, and says of each row when it began and when it was done."""
    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # decoders warn there of what is reported anyway
    cv2.setNumThreads(0)
    since.value = 0.0
    while True:
        while not connection.poll(1):
            if os.getppid() != parent:
                return
        start, stop = connection.recv()
        try:
            for row.value in range(start, stop):
                since.value = time.monotonic()
                finding = images.inspect(row.value)
                since.value = 0.0
                if finding != Finding():
                    connection.send(('image', (row.value, finding)))
        except OSError as error:
            connection.send(('storage', str(error)))
            return
        except Exception as error:
            name = images.storage.name(row.value, images.paths[row.value])
            connection.send(('error', f'{name}: {type(error).__name__}: {error}'))
            return
        row.value = stop
        connection.send(None)
