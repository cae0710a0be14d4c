"""Finds golden files, runs the check of each, prints the table."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path

import numpy as np

from .result import Result

Check = Callable[[Mapping[str, np.ndarray]], Iterable[Result]]

# file name -> 'module:function' in this package; imported when a file of that name is checked
CHECKS = {
    'augment': 'augment:check_augment',
    'dino_head': 'dino:check_head',
    'dino_loss': 'dino:check_loss',
    'dino_trace': 'trace:check_dino_trace',
    'dino_vit': 'dino:check_vit',
    'dinov2_vit': 'dinov2:check_vit',
    'dinov2_losses': 'dinov2_losses:check_losses',
    'esvit_loss': 'esvit:check_loss',
    'esvit_swin': 'esvit:check_swin',
    'esvit_trace': 'trace:check_esvit_trace',
    'knn': 'knn:check_knn',
    'schedules': 'schedules:check_schedules',
}


def golden_files(paths: Iterable[str | Path]) -> Iterator[Path]:
    """The ``.npz`` files named or standing in the directories named.

    Raises:
        ValueError: A path does not exist, or nothing was found.
    """
    found = False
    for path in map(Path, paths):
        if not path.exists():
            raise ValueError(f'{path} does not exist: give a directory of golden .npz files')
        for file in sorted(path.rglob('*.npz')) if path.is_dir() else [path]:
            found = True
            yield file
    if not found:
        raise ValueError('no .npz file found: give a directory of golden .npz files')


def check_file(file: Path) -> list[Result]:
    """Runs the check that belongs to a file's name; unknown names and crashes are failures."""
    target = CHECKS.get(file.stem)
    if target is None:
        return [Result(f'unknown name (known: {", ".join(sorted(CHECKS))})', np.inf, 0.0)]
    module, function = target.split(':')
    check: Check = getattr(import_module(f'{__package__}.{module}'), function)
    try:
        with np.load(file, allow_pickle=False) as arrays:
            results = list(check(arrays))
    except Exception as error:  # a file that cannot be run through the code has failed
        return [Result(f'{type(error).__name__}: {error}', np.inf, 0.0)]
    return results or [Result('nothing was compared', np.inf, 0.0)]


def verify(paths: Iterable[str | Path], show: Callable[[str], None] = print) -> bool:
    """Checks every golden file of ``paths``; True if all passed.

    Args:
        paths: Directories (searched recursively) or files.
        show: Takes each line of the table.
    """
    show(f'{"file":<16} {"quantity":<52} {"error":>10} {"tolerance":>10}')
    failed = 0
    for file in golden_files(paths):
        for result in check_file(file):
            failed += not result.passed
            verdict = 'pass' if result.passed else 'FAIL'
            show(
                f'{file.stem:<16} {result.quantity:<52} {result.error:>10.2e} '
                f'{result.tolerance:>10.0e} {verdict}'
            )
    show(f'{failed} failed' if failed else 'all passed')
    return not failed
