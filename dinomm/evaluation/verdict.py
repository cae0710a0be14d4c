"""What rules on a run's health give, and the numbers that they look at."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple, get_args

Series = Mapping[int, float]
"""Values by iteration."""

State = Literal['good', 'watch', 'bad', 'unknown']


class Verdict(NamedTuple):
    """One sentence about one thing.

    Attributes:
        state: 'good', 'watch', 'bad' or 'unknown'.
        subject: What was looked at, a few words.
        text: The sentence, with the knob to turn where one is due.
        is_collapse: Whether it tells of a collapse, from which no run comes back by itself.
    """

    state: State
    subject: str
    text: str
    is_collapse: bool = False


def mean(values: list[float]) -> float:
    """Arithmetic mean."""
    return sum(values) / len(values)


def read_verdicts(path: Path) -> list[Verdict]:
    """Those of a ``health.json``; none where there is no such file, or another one."""
    try:
        found = json.loads(path.read_text(encoding='utf-8'))['verdicts']
        return [
            Verdict(one['state'], str(one['subject']), str(one['text']), bool(one['is_collapse']))
            for one in found
            if one['state'] in get_args(State)
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return []
