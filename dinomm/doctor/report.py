"""Prints and writes what the doctor found."""

import shutil
import textwrap
from collections.abc import Callable, Iterable, Sequence

from .findings import Finding

Row = tuple[str, str]

MARKS = {'fault': '!!', 'advice': ' -'}
NARROW, WIDE = 60, 110


def show_section(title: str, rows: Iterable[Row], show: Callable[[str], None]) -> None:
    """A heading and aligned rows; long texts go on below their beginning."""
    rows = list(rows)
    if not rows:
        return
    show(f'\n{title}')
    width = max(len(name) for name, _ in rows)
    former = None
    for name, text in rows:
        label = '' if name == former else name
        former = name
        _show_wrapped(f'  {label:<{width}}  ', text, show)


def show_findings(findings: Sequence[Finding], show: Callable[[str], None]) -> None:
    """What is to be done, the worst first."""
    if not findings:
        show('\nNothing to do: the run can start.')
        return
    show('\nTo do, the worst first' if len(findings) > 1 else '\nTo do')
    for finding in in_order(findings):
        _show_wrapped(f'  {MARKS[finding.level]} ', f'{finding.subject}: {finding.text}', show)
    faults = sum(finding.level == 'fault' for finding in findings)
    if faults:
        show(f'\n!! {faults} of them would make the run fail or waste it.')


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Faults first."""
    return sorted(findings, key=lambda finding: finding.level != 'fault')


def duration(hours: float) -> str:
    """In a unit that reads well."""
    if hours < 1 / 60:
        return f'{3600 * hours:.0f} s'
    if hours < 1:
        return f'{60 * hours:.1f} minutes'
    return f'{hours:,.1f} hours' if hours < 48 else f'{hours / 24:,.1f} days'


def counted(number: int, what: str) -> str:
    """'1 step', '2 steps', '2 micro-batches'."""
    ending = 'es' if what.endswith(('tch', 'ss')) else 's'
    return f'{number:,} {what}{ending * (number != 1)}'


def size(num_bytes: float) -> str:
    """In MB or GB."""
    return f'{num_bytes / 1e9:,.2f} GB' if num_bytes >= 1e9 else f'{num_bytes / 1e6:,.1f} MB'


def _show_wrapped(label: str, text: str, show: Callable[[str], None]) -> None:
    width = min(WIDE, max(NARROW, shutil.get_terminal_size().columns))
    lines = textwrap.wrap(
        text,
        width - len(label),
        break_long_words=False,
        break_on_hyphens=False,
    )
    for number, line in enumerate(lines or ['']):
        show(f'{label if number == 0 else " " * len(label)}{line}')
