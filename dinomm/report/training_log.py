"""What mmengine's log says that its scalars do not: when, how far, with which versions, on what."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

TIME = re.compile(r'^(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) - mmengine - ')
BY_EPOCH = re.compile(r'Epoch\(train\)\s*\[(\d+)\]\[\s*(\d+)/(\d+)\]')
BY_ITERATION = re.compile(r'Iter\(train\)\s*\[\s*(\d+)/(\d+)\]')
STOPPED = re.compile(
    r' - mmengine - (?:INFO|ERROR) - (?:.*? - \w+ - \d+ - )?(.*stopped at iteration \d+.*)'
)
ENVIRONMENT = re.compile(
    r'^\s+(sys\.platform|Python|PyTorch|TorchVision|MMEngine|OpenCV|CUDA available|GPU [\d,]+|'
    r'CUDA_HOME|NVCC|GCC|GPU number|Distributed launcher|seed): (.+)$'
)


class TrainingLog(NamedTuple):
    """One session of training, as its log tells it.

    Attributes:
        started: First time in the log; None without one.
        ended: Last time in the log.
        iteration: Of the last line of progress, counted over all epochs; 0 without one.
        per_epoch: Iterations of an epoch, where training is by epoch.
        stopped: Why it stopped before its end, where it says so.
        environment: Names as mmengine logs them ('Python', 'PyTorch', 'GPU 0', 'seed' ...).
    """

    started: datetime | None
    ended: datetime | None
    iteration: int
    per_epoch: int | None
    environment: dict[str, str]
    stopped: str | None = None

    @property
    def duration(self) -> timedelta:
        """From the first line to the last."""
        return self.ended - self.started if self.started and self.ended else timedelta()

    @property
    def processes(self) -> int:
        """How many took part."""
        number = self.environment.get('GPU number', '1')
        return int(number) if number.isdecimal() else 1


def read_training_log(path: Path) -> TrainingLog:
    """Reads a log, whole or cut short anywhere; of a missing one nothing is known."""
    started = ended = per_epoch = None
    iteration = 0
    stopped = None
    environment: dict[str, str] = {}
    if not path.is_file():
        return TrainingLog(None, None, 0, None, {})
    with open(path, encoding='utf-8', errors='replace') as lines:
        for line in lines:
            time = TIME.match(line)
            if time:
                ended = datetime.strptime(time[1], '%Y/%m/%d %H:%M:%S')
                started = started or ended
            stop = STOPPED.search(line)
            if stop:
                stopped = stop[1].strip()
            by_epoch, by_iteration = BY_EPOCH.search(line), BY_ITERATION.search(line)
            if by_epoch:
                epoch, within, per_epoch = map(int, by_epoch.groups())
                iteration = (epoch - 1) * per_epoch + within
            elif by_iteration:
                iteration = int(by_iteration[1])
            elif not time:
                found = ENVIRONMENT.match(line)
                if found:
                    environment.setdefault(found[1], found[2].strip())
    return TrainingLog(started, ended, iteration, per_epoch, environment, stopped)
