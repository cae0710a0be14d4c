"""Measures the training step from outside, at a batch size that fits."""

import argparse
import json
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
KILLED = -9
STARTING = 600.0
"""Seconds for imports, the model and a first step, beyond those for the steps."""


class StepResult(NamedTuple):
    """What the probe found.

    Attributes:
        figures: Of `dinomm.doctor.step_probe.measure`; None where no batch size works.
        too_large: Batch sizes for which memory was too small.
        error: Of another kind, as `dinomm.doctor.step_probe.failure` gives it.
    """

    figures: dict[str, Any] | None
    too_large: tuple[int, ...] = ()
    error: dict[str, Any] | None = None


def measure_step(
    args: argparse.Namespace,
    batch_size: int,
    options: dict[str, Any],
    tell: Callable[[str], None],
) -> StepResult:
    """Times steps in a process of its own; where memory is too small, with half the batch.

    Args:
        args: Of the command line.
        batch_size: Of the config.
        options: See `dinomm.doctor.step_probe.measure`.
        tell: Takes a line on what is tried next.
    """
    too_large: list[int] = []
    while True:
        tried = {**options, 'batch_size': batch_size if too_large else None}
        found = _run_probe(args, tried)
        if not found.get('out_of_memory'):
            if 'error' in found:
                return StepResult(None, tuple(too_large), found)
            return StepResult(found, tuple(too_large))
        too_large.append(batch_size)
        if batch_size == 1:
            return StepResult(None, tuple(too_large), found)
        batch_size //= 2
        tell(f'a batch of {too_large[-1]} does not fit into memory, trying {batch_size}')


def _run_probe(args: argparse.Namespace, options: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix='doctor-') as folder:
        result = Path(folder, 'result.json')
        request = {'args': args, 'options': options, 'folder': folder, 'result': str(result)}
        paths = [str(ROOT), os.environ.get('PYTHONPATH')]
        variables = {'PYTHONPATH': os.pathsep.join(filter(None, paths))}
        try:
            ended = subprocess.run(
                [sys.executable, '-m', 'dinomm.doctor.step_probe'],
                input=pickle.dumps(request),
                capture_output=True,
                env=os.environ | variables,
                timeout=STARTING + options['seconds'],
            )
        except subprocess.TimeoutExpired as error:
            return {
                'error': f'the first steps did not end within {error.timeout:.0f} s',
                'is_sentence': True,
            }
        if result.is_file():
            return json.loads(result.read_text())
        words = ended.stderr.decode(errors='replace').strip()
        return {
            'error': f'the process that trained the first steps died ({_how(ended.returncode)})',
            'out_of_memory': ended.returncode == KILLED,
            'is_sentence': True,
            'traceback': words[-4000:],
        }


def _how(status: int) -> str:
    return f'signal {-status}' if status < 0 else f'exit status {status}'
