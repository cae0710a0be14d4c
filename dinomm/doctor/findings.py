"""What is wrong, in one sentence each."""

from typing import Literal, NamedTuple

EXIT_STATUS = 5
"""Of ``tools/doctor.py`` when a run would fail or be wasted."""


class Finding(NamedTuple):
    """Something to do before the run starts.

    Attributes:
        level: 'fault': the run would fail or be wasted. 'advice': it would be slower or worse
            than it could be.
        subject: A word or two.
        text: What is the case, and what to do.
    """

    level: Literal['fault', 'advice']
    subject: str
    text: str


def fault(subject: str, text: str) -> Finding:
    """A run that would fail or be wasted."""
    return Finding('fault', subject, text)


def advice(subject: str, text: str) -> Finding:
    """A run that could be better."""
    return Finding('advice', subject, text)
