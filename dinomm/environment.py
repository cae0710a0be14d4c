"""Checks of the installed packages by their metadata alone: nothing heavy is imported."""

from __future__ import annotations

import importlib.metadata
import re
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MIN_TORCH = '2.4'

OPENCV = (
    'opencv-contrib-python',
    'opencv-python',
    'opencv-contrib-python-headless',
    'opencv-python-headless',
)


@dataclass(frozen=True)
class Library:
    """An OpenMMLab library: the distributions that provide it and the versions that fit.

    All distributions of a library install the same import name, so only one can be there. One
    that is not `required` is asked for only by what uses it.
    """

    onedl: str
    upstream: tuple[str, ...]
    at_least: str
    below: str
    required: bool = True

    @property
    def distributions(self) -> tuple[str, ...]:
        """The distributions that provide the library, the preferred one first."""
        return (self.onedl, *self.upstream)


LIBRARIES = {
    'mmengine': Library('onedl-mmengine', ('mmengine', 'mmengine-lite'), '0.10', '1.0'),
    'mmcv': Library('onedl-mmcv', ('mmcv-lite', 'mmcv'), '2.0', '3.0'),
    'mmpretrain': Library('onedl-mmpretrain', ('mmpretrain',), '1.2', '2.0'),
    'mmdet': Library('onedl-mmdetection', ('mmdet',), '3.3', '4.0', required=False),
}

UPSTREAM_MMDET_BELOW = '2.2'
"""OpenMMLab's own mmdet cannot be imported with this mmcv or a newer one."""

CHECKED = (
    'torch',
    *(name for library in LIBRARIES.values() for name in library.distributions),
    *OPENCV,
)


def installed_versions(names: Iterable[str] = CHECKED) -> dict[str, str]:
    """Returns the version of every distribution among `names` that is installed.

    An OpenCV without a file record is left out: conda lists its one build under two names.
    """
    versions = {}
    for name in names:
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if name in OPENCV and distribution.read_text('RECORD') is None:
            continue
        versions[name] = distribution.version
    return versions


def installed_opencv(installed: Mapping[str, str]) -> list[str]:
    """Returns the OpenCV distributions in `installed`, the most complete first."""
    return [name for name in OPENCV if name in installed]


def uses_upstream(installed: Mapping[str, str]) -> bool:
    """Says whether OpenMMLab's own packages are in use here instead of the `onedl-*` ones."""
    names = set(installed)
    onedl = any(library.onedl in names for library in LIBRARIES.values())
    return not onedl and any(names & set(library.upstream) for library in LIBRARIES.values())


def find_conflict(installed: Mapping[str, str], python: str = sys.executable) -> str | None:
    """Describes, with its remedy, what no further installation repairs; None if all is well."""
    pip = f'{shlex.quote(python)} -m pip'
    doubled: list[str] = []
    kept: list[str] = []
    for library in LIBRARIES.values():
        found = [name for name in library.distributions if name in installed]
        if len(found) > 1:
            doubled += found
            kept.append(found[0])
    if doubled:
        return (
            f'{_listed(doubled, installed)} are installed together and overwrite each other: '
            f'run `{pip} uninstall -y {" ".join(doubled)} && {pip} install {" ".join(kept)}`.'
        )
    if 'torch' in installed and _release(installed['torch']) < _release(MIN_TORCH):
        return (
            f'torch {installed["torch"]} is installed, and dinomm needs torch >= {MIN_TORCH}: '
            f"run `{pip} install --upgrade 'torch>={MIN_TORCH}' torchvision`."
        )
    for library in LIBRARIES.values():
        low, high = library.at_least, library.below
        for name in library.distributions:
            if name in installed and not _release(low) <= _release(installed[name]) < _release(
                high
            ):
                return (
                    f'{name} {installed[name]} is installed, and dinomm needs a version >= {low} '
                    f"and < {high}: run `{pip} install '{name}>={low},<{high}'`."
                )
    return _find_too_new_mmcv(installed, pip)


def check_environment(
    installed: Mapping[str, str] | None = None,
    python: str = sys.executable,
    needs: Iterable[str] = (),
) -> None:
    """Checks that the packages dinomm works with are there, once each, in versions that fit.

    Args:
        installed: Version by distribution name; the running interpreter's if not given.
        python: The interpreter that the commands in the messages name.
        needs: Libraries that must be there although not everything uses them: 'mmdet'.

    Raises:
        RuntimeError: One sentence with the command that repairs the first fault found.
    """
    if installed is None:
        installed = installed_versions()
    fault = (
        find_conflict(installed, python)
        or _find_missing(installed, python, set(needs))
        or _find_second_opencv(installed, python)
    )
    if fault:
        raise RuntimeError(fault)


def _find_too_new_mmcv(installed: Mapping[str, str], pip: str) -> str | None:
    if 'mmdet' not in installed:
        return None
    below = UPSTREAM_MMDET_BELOW
    for name in LIBRARIES['mmcv'].distributions:
        if name in installed and _release(installed[name]) >= _release(below):
            onedl = LIBRARIES['mmdet'].onedl
            command = (
                f'{pip} uninstall -y mmdet && {pip} install {onedl}'
                if name == LIBRARIES['mmcv'].onedl
                else f"{pip} install '{name}<{below}'"
            )
            return (
                f'mmdet {installed["mmdet"]} works with an mmcv < {below} alone, and {name} '
                f'{installed[name]} is installed: run `{command}`.'
            )
    return None


def _find_missing(installed: Mapping[str, str], python: str, needs: set[str]) -> str | None:
    upstream = uses_upstream(installed)
    missing, packages = [], []
    if 'torch' not in installed:
        missing.append('torch')
        packages += ['torch', 'torchvision']
    for name, library in LIBRARIES.items():
        needed = library.required or name in needs
        if needed and not set(library.distributions) & set(installed):
            missing.append(name)
            packages.append(library.upstream[0] if upstream else library.onedl)
    if not missing:
        return None
    verb = 'is' if len(missing) == 1 else 'are'
    command = f'{shlex.quote(python)} -m pip install {" ".join(packages)}'
    return f'{_joined(missing)} {verb} not installed: run `{command}`.'


def _find_second_opencv(installed: Mapping[str, str], python: str) -> str | None:
    found = installed_opencv(installed)
    if len(found) < 2:
        return None
    pip = f'{shlex.quote(python)} -m pip'
    return (
        f'{_listed(found, installed)} are installed together and overwrite each other: '
        f'run `{pip} uninstall -y {" ".join(found)} && '
        f'{pip} install {found[0]}=={installed[found[0]]}`.'
    )


def _release(version: str) -> tuple[int, ...]:
    """Returns the numbers of '2.4.0a0+git1' as (2, 4): no suffix, no trailing zeros."""
    match = re.match(r'\d+(\.\d+)*', version)
    numbers = [int(part) for part in match.group().split('.')] if match else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _listed(names: Iterable[str], installed: Mapping[str, str]) -> str:
    return _joined([f'{name} {installed[name]}' for name in names])


def _joined(words: list[str]) -> str:
    return ' and '.join(filter(None, [', '.join(words[:-1]), words[-1]]))
