"""Leaves an environment with one OpenCV that can be imported, on slim server images too."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from pip_runner import fail, pip, report, run


def settle_opencv(python: Path, present: list[str], earlier: list[str]) -> None:
    """Leaves one OpenCV distribution, without a display's libraries where they are missing.

    Args:
        python: The environment's Python.
        present: The OpenCV distributions that are installed now.
        earlier: Those that were installed before dinomm's requirements.
    """
    chosen = (earlier or present or [''])[0]
    if len(present) > 1:
        replace_opencv(python, present, chosen)
    error = import_error(python, 'cv2')
    if lacks_shared_library(error) and chosen and not chosen.endswith('-headless'):
        report(f'OpenCV finds no display library here: {chosen}-headless takes its place')
        replace_opencv(python, [chosen], f'{chosen}-headless')
        error = import_error(python, 'cv2')
    if error:
        fail(f'OpenCV cannot be imported by {python}: {error.splitlines()[-1]}')


def replace_opencv(python: Path, present: list[str], chosen: str) -> None:
    """Removes every OpenCV distribution and installs one, downloaded before anything goes.

    Its version stays as it was, or is that of the distribution it stands in for.
    """
    model = chosen if chosen in present else present[0]
    result = run([python, '-m', 'pip', 'show', model])
    version = re.search(r'^Version: (\S+)', result.stdout, re.MULTILINE)
    requirement = f'{chosen}=={version.group(1)}' if version else chosen
    with tempfile.TemporaryDirectory() as folder:
        pip(python, 'download', '--no-deps', '--dest', folder, requirement)
        pip(python, 'uninstall', '--yes', *present)
        pip(python, 'install', '--no-deps', '--no-index', *map(str, Path(folder).iterdir()))


def import_error(python: Path, module: str) -> str:
    """Returns what importing a module prints when it fails, '' if it works."""
    result = run([python, '-c', f'import {module}'])
    return result.stdout.strip() if result.returncode else ''


def lacks_shared_library(error: str) -> bool:
    """Says whether the loader (glibc's or musl's) found no such library as libGL.so.1."""
    return bool(
        re.search(r'lib\S+\.so\S*: cannot open shared object file', error)
        or re.search(r'Error loading shared library lib\S+\.so', error)
    )
