"""Stopping in good order: a signal asks a run for a checkpoint and its end."""

import multiprocessing
import os
import signal
import threading
from types import FrameType
from typing import Any

AGAIN = {
    signal.SIGTERM: 'second SIGTERM',
    signal.SIGINT: 'second Ctrl-C',
    signal.SIGUSR1: 'SIGTERM',
}
"""What ends a run at once, by the signal that it has noted."""


class PreemptedError(Exception):
    """A run was asked to stop, and stands in a checkpoint: EX_TEMPFAIL, start it again."""

    exit_status = 75


class StopRequest:
    """Notes SIGTERM, SIGUSR1 and SIGINT (Ctrl-C), for all processes of a run, while it is entered.

    The first signal is noted only; a second SIGTERM or SIGINT ends the process at once. Outside
    the main thread, where Python lets nobody handle signals, nothing is noted.
    """

    def __init__(self) -> None:
        self.signal: str | None = None
        self._former: dict[signal.Signals, Any] = {}
        self._group: Any = None
        self._asked: tuple[Any, Any] | None = None

    def __enter__(self) -> 'StopRequest':
        from mmengine.dist import get_world_size

        if threading.current_thread() is threading.main_thread():
            self._former = {number: signal.signal(number, self._note) for number in AGAIN}
        if get_world_size() > 1:
            # host memory and a group of its own: nothing waits for a GPU, nor for DDP's exchange
            import torch

            self._group = torch.distributed.new_group(backend='gloo')
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    @property
    def noted(self) -> bool:
        """Whether this process got a signal."""
        return self.signal is not None

    def agreed(self, wait: bool = True) -> bool:
        """Whether any process got a signal. All processes must ask, and get the same answer.

        Args:
            wait: For what the others say now. Otherwise the answer is that to the question before
                this one, which has arrived while the step was computed.
        """
        if self._group is None:
            return self.noted
        before, self._asked = self._asked, self._ask()
        answer = _answer(before)
        return _answer(self._asked) or answer if wait else answer

    def _ask(self) -> tuple[Any, Any]:
        import torch

        flag = torch.tensor(int(self.noted))
        largest = torch.distributed.ReduceOp.MAX
        work = torch.distributed.all_reduce(flag, largest, group=self._group, async_op=True)
        return work, flag

    def _note(self, number: int, _frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if number != signal.SIGUSR1 and self.signal == name:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.signal = name
        again = AGAIN[signal.Signals(number)]
        line = f'{name}: the run writes a checkpoint and stops; a {again} stops it at once\n'
        os.write(2, line.encode())  # the signal may have interrupted a logger


def _answer(asked: tuple[Any, Any] | None) -> bool:
    if asked is None:
        return False
    work, flag = asked
    work.wait()
    return bool(flag)


def obey_parent_alone() -> None:
    """For processes that work for another one: of these signals only its SIGTERM ends them.

    A scheduler sends its signals to every process of a job, a terminal its Ctrl-C, and the run
    needs its workers until the checkpoint is written. Where the sender cannot be told (macOS),
    SIGTERM ends them as ever.
    """
    for number in (signal.SIGUSR1, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is None or not hasattr(signal, 'sigwaitinfo'):
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_end_with, args=(parent.pid,), daemon=True).start()


def _end_with(parent: int | None) -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)
