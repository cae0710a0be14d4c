"""Makes an environment in which dinomm runs, and says which Python to use.

    python3 tools/setup_env.py                  # what pretraining and the quick start need
    python3 tools/setup_env.py detection        # and what detection needs
    python3 tools/setup_env.py tests detection  # and what the tests need

The active environment (venv or conda) is used if there is one, else `.venv` in the clone is made.
The path of its Python goes to standard output, everything else to standard error. Needs Python
3.10 or newer and nothing else.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pip_runner import ensure_pip, fail, has_pip, pip, report, run, step
from setup_opencv import settle_opencv

from dinomm.environment import (
    CHECKED,
    LIBRARIES,
    check_environment,
    find_conflict,
    installed_opencv,
    uses_upstream,
)

ROOT = Path(__file__).resolve().parents[1]
MIN_PYTHON = (3, 10)
REQUIREMENTS = ROOT / 'requirements'
ALWAYS = ('mminstall', 'runtime', 'data')
EXTRAS = ('detection', 'docs', 'optional', 'tests')
LIBRARY_GROUPS = ('mminstall', 'detection')
"""Those with OpenMMLab's libraries, of which only what neither line provides is installed."""

PROBE = """
import json, sys, sysconfig
sys.path.insert(0, sys.argv[1])
from dinomm.environment import installed_versions
print(json.dumps({
    'version': sys.version_info[:2],
    'site': sysconfig.get_path('purelib'),
    'installed': installed_versions(sys.argv[2:]),
}))
"""


def ensure_environment(extra: list[str]) -> Path:
    """Installs what is missing and returns the Python executable to run dinomm with.

    Args:
        extra: Further groups of requirements: 'detection', 'docs', 'optional', 'tests'.

    Raises:
        ValueError: If `extra` has an unknown name.
        SystemExit: With one sentence on what to do, if the environment cannot be made.
    """
    unknown = sorted(set(extra) - set(EXTRAS))
    if unknown:
        raise ValueError(f'Unknown extra {unknown[0]!r}: expected some of {", ".join(EXTRAS)}.')
    groups = [*ALWAYS, *extra]
    python = active_python() or clone_python()
    environment = probe(python)
    if not is_ready(environment, groups):
        install(python, environment, groups)
    return python


@dataclass(frozen=True)
class Environment:
    """What a look into an environment shows.

    Attributes:
        version: Its Python, as (major, minor).
        site: Its folder of pure Python packages.
        installed: Version by name of the packages that matter here.
    """

    version: tuple[int, int]
    site: Path
    installed: dict[str, str]

    @property
    def stamp(self) -> Path:
        """The file that says which requirement files were installed, and from which clone."""
        return self.site / 'dinomm-setup.json'

    @property
    def link(self) -> Path:
        """The path file that makes `import dinomm` find the clone."""
        return self.site / 'dinomm-clone.pth'


def active_python() -> Path | None:
    """Returns the Python of the active environment, None if none is active."""
    if sys.prefix != sys.base_prefix:
        return Path(sys.executable)
    for variable in ('VIRTUAL_ENV', 'CONDA_PREFIX'):
        prefix = os.environ.get(variable)
        if prefix and executable(Path(prefix)).exists():
            return executable(Path(prefix))
    return None


def clone_python() -> Path:
    """Returns the Python of the clone's `.venv`, which is made if it is not there."""
    folder = ROOT / '.venv'
    python = executable(folder)
    if python.exists() and has_pip(python):
        return python
    if sys.version_info < MIN_PYTHON:
        fail(
            f'dinomm needs Python {dotted(MIN_PYTHON)} or newer, and {sys.executable} is '
            f'{dotted(sys.version_info[:2])}: run this with a newer one.'
        )
    if importlib.util.find_spec('ensurepip') is None:
        fail(
            'This Python cannot make virtual environments: install its venv module (on Debian '
            f'and Ubuntu: `apt-get install python{dotted(sys.version_info[:2])}-venv`) and run '
            'this again.'
        )
    with step(f'making {folder}'):
        made = run([sys.executable, '-m', 'venv', '--clear', folder])
        if made.returncode:
            report(made.stdout)
            fail(
                f'{folder} could not be made, as said above: check the free space and your rights.'
            )
    return python


def executable(prefix: Path) -> Path:
    """Returns where the Python of the environment at `prefix` is."""
    return prefix / ('Scripts/python.exe' if os.name == 'nt' else 'bin/python')


def probe(python: Path) -> Environment:
    """Looks into an environment by its metadata, without importing its packages."""
    files = [file.stem for file in REQUIREMENTS.glob('*.txt')]
    names = sorted({*CHECKED, *(name for file in files for name in required_names(file))})
    result = run([python, '-c', PROBE, ROOT, *names])
    if result.returncode:
        report(result.stdout)
        fail(f'{python} does not run, as said above: deactivate or repair this environment.')
    found = json.loads(result.stdout)
    return Environment(tuple(found['version']), Path(found['site']), found['installed'])


def is_ready(environment: Environment, groups: list[str]) -> bool:
    """Says whether these groups were installed and their packages are still there."""
    stamp = read_stamp(environment)
    files = requirement_files(groups)
    required = {name for file in files for name in required_names(file)}
    return (
        environment.link.exists()
        and all(stamp.get(file) == fingerprint(file) for file in files)
        and required <= environment.installed.keys()
        and not missing_libraries(environment.installed, groups)
        and len(installed_opencv(environment.installed)) < 2
    )


def install(python: Path, environment: Environment, groups: list[str]) -> None:
    """Brings an environment to what the requirement files say, and checks that it works."""
    if environment.version < MIN_PYTHON:
        fail(
            f'dinomm needs Python {dotted(MIN_PYTHON)} or newer, and {python} is '
            f'{dotted(environment.version)}: activate another environment, or none.'
        )
    conflict = find_conflict(environment.installed, str(python))
    if conflict:
        fail(conflict)
    ensure_pip(python)
    earlier_opencv = installed_opencv(environment.installed)

    if not {'torch', 'torchvision'} <= environment.installed.keys():
        with step('installing torch and torchvision (large: minutes on a slow line)'):
            pip(python, 'install', *torch_pins(environment.installed), 'torch', 'torchvision')
        environment = probe(python)

    with step(f'installing the requirements: {", ".join(groups)}'):
        files = requirement_files(groups)
        words = [word for file in files for word in ('-r', str(REQUIREMENTS / f'{file}.txt'))]
        libraries = missing_libraries(environment.installed, groups)
        pip(python, 'install', *torch_pins(environment.installed), *libraries, *words)

    with step('checking the environment'):
        environment = probe(python)
        settle_opencv(python, installed_opencv(environment.installed), earlier_opencv)
        link_clone(python, environment)
        environment = probe(python)
        needs = ['mmdet'] if 'detection' in groups else []
        try:
            check_environment(environment.installed, str(python), needs)
        except RuntimeError as fault:
            fail(str(fault))
        stamp = {**read_stamp(environment), **{file: fingerprint(file) for file in files}}
        environment.stamp.write_text(json.dumps(stamp))


def torch_pins(installed: dict[str, str]) -> list[str]:
    """Returns requirements that keep pip from replacing the torch that is there."""
    return [f'{name}=={installed[name]}' for name in ('torch', 'torchvision') if name in installed]


def requirement_files(groups: list[str]) -> list[str]:
    """Returns the groups whose requirement files are installed as they are."""
    return [group for group in groups if group not in LIBRARY_GROUPS]


def missing_libraries(installed: dict[str, str], groups: list[str]) -> list[str]:
    """Returns what is not there yet of the groups with OpenMMLab's libraries.

    They are those of the line that is in use; a library that the other one provides is there.
    """
    line_in_use = '_openmmlab' if uses_upstream(installed) else ''
    provided = {
        name
        for library in LIBRARIES.values()
        if set(library.distributions) & installed.keys()
        for name in library.distributions
    }
    return [
        requirement
        for group in groups
        if group in LIBRARY_GROUPS
        for requirement in read_requirements(f'{group}{line_in_use}')
        if name_of(requirement) not in provided | installed.keys()
    ]


def link_clone(python: Path, environment: Environment) -> None:
    """Makes `import dinomm` find the clone from anywhere."""
    environment.link.write_text(f'{ROOT}\n')
    where = run([python, '-c', 'import dinomm; print(dinomm.__file__)'], cwd=tempfile.gettempdir())
    if Path(where.stdout.strip()) != ROOT / 'dinomm' / '__init__.py':
        environment.link.unlink()
        fail(
            f'Another dinomm is installed in this environment: run '
            f'`{python} -m pip uninstall dinomm` and then this again.'
        )


def read_requirements(group: str) -> list[str]:
    """Returns the requirements of one file, without comments."""
    lines = (REQUIREMENTS / f'{group}.txt').read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith('#')]


def required_names(group: str) -> list[str]:
    """Returns the distribution names in one requirement file."""
    return [name_of(line) for line in read_requirements(group)]


def name_of(requirement: str) -> str:
    """Returns the distribution name of a requirement such as 'torch>=2.4'."""
    return re.split(r'[^\w.-]', requirement, maxsplit=1)[0]


def fingerprint(group: str) -> str:
    """Returns a hash of one requirement file and the clone it belongs to."""
    content = f'{ROOT}\n' + '\n'.join(read_requirements(group))
    return hashlib.sha256(content.encode()).hexdigest()


def read_stamp(environment: Environment) -> dict[str, str]:
    """Returns the fingerprint of every requirement file that was installed, by its name."""
    try:
        return json.loads(environment.stamp.read_text())
    except (OSError, ValueError):
        return {}


def dotted(version: tuple[int, ...]) -> str:
    """Returns (3, 10) as '3.10'."""
    return '.'.join(map(str, version))


def main() -> None:
    """Makes the environment and prints its Python."""
    parser = argparse.ArgumentParser(description='Install what dinomm needs, if it is not there.')
    parser.add_argument('extra', nargs='*', help=f'any of {", ".join(EXTRAS)}')
    extra = parser.parse_args().extra
    try:
        print(ensure_environment(extra))
    except ValueError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == '__main__':
    main()
