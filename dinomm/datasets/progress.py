"""How far a long job is, told now and then."""

import time
from collections.abc import Callable


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
