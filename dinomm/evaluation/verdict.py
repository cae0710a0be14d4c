"""What rules on a run's health give, and the numbers that they look at."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

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
