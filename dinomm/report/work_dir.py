"""What a work directory holds: the sessions of a run, its config, scalars and checkpoints."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from dinomm.visualization.scalars import Series, read_scalars

from .plain_config import read_plain_config
from .training_log import TrainingLog, read_training_log

SILENCE = timedelta(minutes=15)
"""A run whose files are older than that, and than three logging intervals, has stopped."""
Config = dict[str, Any]


class Run(NamedTuple):
    """A pretraining run: one session, or several that went on from each other.

    Attributes:
        folder: The work directory.
        config_file: What was trained, as mmengine wrote it.
        config: Its content, plain data.
        logs: One a session of training, the oldest first; evaluations left out.
        scalars: Values by iteration, by name; empty where nothing is logged yet.
        checkpoints: The newest state first, then the best.
        written: When a file of the run was last written, local time.
    """

    folder: Path
    config_file: Path
    config: Config
    logs: list[TrainingLog]
    scalars: dict[str, Series]
    checkpoints: list[Path]
    written: datetime

    @property
    def name(self) -> str:
        """Of the work directory."""
        return self.folder.resolve().name

    @property
    def iteration(self) -> int:
        """The last iteration that is logged."""
        return max(self.scalars.get('loss', {}), default=self.logs[-1].iteration)

    @property
    def per_epoch(self) -> int | None:
        """Iterations of an epoch, if any log tells."""
        return next((log.per_epoch for log in reversed(self.logs) if log.per_epoch), None)

    @property
    def planned(self) -> int | None:
        """Iterations of the whole run, if it can be told."""
        plan = self.config.get('train_cfg') or {}
        if plan.get('max_iters'):
            return int(plan['max_iters'])
        if plan.get('max_epochs') and self.per_epoch:
            return int(plan['max_epochs']) * self.per_epoch
        return None

    @property
    def done(self) -> float:
        """Share of the planned iterations; 1 if the plan is not known."""
        return min(1.0, self.iteration / self.planned) if self.planned else 1.0

    @property
    def environment(self) -> dict[str, str]:
        """Of the last session."""
        return self.logs[-1].environment

    def is_finished(self) -> bool:
        """Whether all that was planned is done."""
        return self.planned is not None and self.iteration >= self.planned

    def is_going(self, now: datetime) -> bool:
        """Whether an unfinished run was still writing lately, and did not say that it stops."""
        if self.logs[-1].stopped:
            return False
        step = next(reversed(self.scalars.get('time', {0: 0.0}).values()))
        interval = self.config.get('default_hooks', {}).get('logger', {}).get('interval', 10)
        silence = max(SILENCE, 3 * timedelta(seconds=step * interval))
        return not self.is_finished() and now - self.written < silence


def read_run(folder: str | Path) -> Run:
    """Reads a work directory; what is missing or cut short is left out.

    Raises:
        ValueError: It is no work directory, or its config cannot be read.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise ValueError(f'{folder} is no folder: give the work directory of a run')
    sessions = training_sessions(folder)
    configs = [session / 'vis_data/config.py' for session in sessions]
    configs = [path for path in configs if path.is_file()] or sorted(folder.glob('*.py'))
    if not configs:
        raise ValueError(
            f'{folder} holds no <timestamp>/vis_data/config.py and no *.py: expected the work '
            'directory that tools/train.py wrote'
        )
    logs = [read_training_log(session / f'{session.name}.log') for session in sessions]
    files = [configs[-1], *(path for s in sessions for path in s.rglob('*') if path.is_file())]
    return Run(
        folder=folder,
        config_file=configs[-1],
        config=read_plain_config(configs[-1]),
        logs=logs or [TrainingLog(None, None, 0, None, {})],
        scalars=read_scalars(folder) if any(map(has_scalars, sessions)) else {},
        checkpoints=find_checkpoints(folder),
        written=datetime.fromtimestamp(max(path.stat().st_mtime for path in files)),
    )


def training_sessions(folder: Path) -> list[Path]:
    """Folders of sessions that trained, the oldest first.

    A session that only tested has no scalars and leaves ``<timestamp>/<timestamp>.json``; one
    without either died, or has not yet logged.
    """
    sessions = sorted(path.parent for path in folder.glob('*/vis_data'))
    return [s for s in sessions if has_scalars(s) or not (s / f'{s.name}.json').is_file()]


def has_scalars(session: Path) -> bool:
    """Whether a session logged anything of its training."""
    return (session / 'vis_data/scalars.json').is_file()


def find_checkpoints(folder: Path) -> list[Path]:
    """``last_checkpoint``'s, then those of epochs and iterations from the last, then the best."""
    numbered = [
        (int(found[2]), path)
        for path in folder.glob('*.pth')
        for found in [re.fullmatch(r'(epoch|iter)_(\d+)', path.stem)]
        if found
    ]
    paths = [path for _, path in sorted(numbered, reverse=True)]
    paths += sorted(folder.glob('best_*.pth'), reverse=True)
    named = folder / 'last_checkpoint'
    if named.is_file():
        last = folder / Path(named.read_text().strip()).name  # the folder may have moved
        paths = [path for path in [last] if path.is_file()] + [p for p in paths if p != last]
    return paths
