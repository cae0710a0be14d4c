"""How far a long job is, told now and then."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any


class Progress:
    """Passes on a line if the last one was long ago; a short job passes on none.

    Args:
        tell: Takes the lines.
        seconds: Between two lines, and before the first.
    """

    def __init__(self, tell: Callable[[str], None], seconds: float = 10.0) -> None:
        self.tell = tell
        self.seconds = seconds
        self._last = time.monotonic()

    def __call__(self, line: Callable[[], str]) -> None:
        """Asks for the line only if it is due."""
        now = time.monotonic()
        if now - self._last >= self.seconds:
            self._last = now
            self.tell(line())


class Countdown:
    """Counts towards a total, and tells of it with the speed and the time left.

    Args:
        name: What is counted, as in 'support images'.
        total: How many there are.
        tell: Takes the lines.
        seconds: Between two lines, and before the first.
    """

    def __init__(
        self, name: str, total: int, tell: Callable[[str], None], seconds: float = 10.0
    ) -> None:
        self.name = name
        self.total = total
        self.done = 0
        self._progress = Progress(tell, seconds)
        self._start = time.monotonic()

    def add(self, count: int) -> None:
        """Counts; beyond the total nothing."""
        self.done = min(self.done + count, self.total)
        self._progress(self._line)

    def _line(self) -> str:
        speed = self.done / max(time.monotonic() - self._start, 1e-9)
        left = timedelta(seconds=round((self.total - self.done) / max(speed, 1e-9)))
        return f'{self.done:,} of {self.total:,} {self.name}, {speed:.0f}/s, left {left}'


class _Bar(Countdown):
    """A countdown that moves a bar of rich's, without a thread: processes may be forked."""

    def __init__(self, name: str, total: int, bars: Any) -> None:
        super().__init__(name, total, lambda _line: bars.refresh(), seconds=0.1)
        self._bars, self._task = bars, bars.add_task(name, total=total)

    def add(self, count: int) -> None:
        """Counts; beyond the total nothing."""
        self._bars.update(self._task, completed=min(self.done + count, self.total))
        super().add(count)


@contextmanager
def progress_bar(name: str, total: int) -> Iterator[Countdown]:
    """Shows how far a job is: a bar on a terminal, elsewhere a line now and then.

    Args:
        name: What is counted.
        total: How many there are.
    """
    if not sys.stdout.isatty():
        yield Countdown(name, total, lambda line: print(line, flush=True), seconds=5)
        return
    from rich import progress

    columns = (
        progress.TextColumn('{task.description}'),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TaskProgressColumn(show_speed=True),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, auto_refresh=False) as bars:
        yield _Bar(name, total, bars)
