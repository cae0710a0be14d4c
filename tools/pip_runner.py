"""How the set-up tools run pip and other commands: quietly, with one sentence when one fails."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def pip(python: Path, command: str, *arguments: str) -> None:
    """Runs pip quietly; shows its output and stops if it fails."""
    result = run([python, '-m', 'pip', command, '--quiet', '--no-input', *arguments])
    if result.returncode:
        report(result.stdout)
        fail(explain(result.stdout))


def explain(output: str) -> str:
    """Says in one sentence why pip failed and what to do."""
    network = 'NewConnectionError|ConnectTimeout|Read timed out|ProxyError|SSLError|Max retries'
    if 'No space left on device' in output:
        return 'The disk is full: free some GB (torch alone takes up to 6) and run this again.'
    if re.search(network, output):
        return (
            'pip does not reach its package index: check the network and `pip config list`, '
            'then run this again; what was installed stays.'
        )
    if re.search('Permission denied|externally-managed-environment', output):
        return 'pip may not write here: deactivate this environment, and a .venv will be made.'
    missing = re.search(r'No matching distribution found for (\S+)', output)
    if missing:
        return (
            f'pip finds no {missing.group(1)} for this Python and machine: check the network and '
            '`pip config list`, or use a Python from 3.10 to 3.13.'
        )
    return 'pip failed, as said above: mend that and run this again.'


def ensure_pip(python: Path) -> None:
    """Gives an environment that has no pip (uv makes such) the one that Python carries."""
    if not has_pip(python) and run([python, '-m', 'ensurepip']).returncode:
        fail(f'{python} has no pip: install it there, or deactivate this environment.')


def has_pip(python: Path) -> bool:
    """Says whether an environment has pip."""
    return run([python, '-c', 'import pip']).returncode == 0


def run(command: list, cwd: str | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a command without input, its two outputs as one."""
    return subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors='replace',
        cwd=cwd,
        env={**os.environ, 'PIP_DISABLE_PIP_VERSION_CHECK': '1', 'PIP_USER': '0'},
    )


@contextmanager
def step(message: str) -> Iterator[None]:
    """Announces a step, and its time when it is done."""
    report(f'[setup] {message} ...')
    start = time.monotonic()
    yield
    report(f'[setup] done in {time.monotonic() - start:.0f} s')


def report(message: str) -> None:
    """Prints to standard error: standard output holds the path of Python alone."""
    print(message, file=sys.stderr, flush=True)


def fail(message: str) -> None:
    """Stops with one sentence."""
    raise SystemExit(message)
