"""What the machine has: cores, memory, GPUs, versions."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

CGROUP = Path('/sys/fs/cgroup')
SHARED_MEMORY = '/dev/shm'
LIBRARIES = ('torch', 'torchvision', 'mmengine', 'mmcv', 'mmpretrain', 'mmdet', 'numpy')


class GPU(NamedTuple):
    """A CUDA device; memory in bytes."""

    name: str
    memory: int
    bfloat16: bool


class Machine(NamedTuple):
    """What a run can use; bytes, None where the system does not tell.

    Attributes:
        processor: Its name.
        cores: That this process may use, by affinity and quota.
        memory: Main memory that can still be taken, with the limit of a container.
        shared_memory: Free in /dev/shm, through which workers hand over their batches.
        gpus: Visible ones.
        driver: Of NVIDIA.
        versions: By library.
    """

    processor: str
    cores: int
    memory: int | None
    shared_memory: int | None
    gpus: tuple[GPU, ...]
    driver: str | None
    versions: dict[str, str]


def examine_machine() -> Machine:
    """Looks at everything; torch is imported."""
    from dinomm.benchmark.report import processor

    gpus = _gpus()
    return Machine(
        processor(),
        usable_cores(),
        available_memory(),
        free_bytes(SHARED_MEMORY) if os.path.isdir(SHARED_MEMORY) else None,
        gpus,
        _driver() if gpus else None,
        _versions(),
    )


def usable_cores() -> int:
    """Cores by affinity, and by the quota of a container."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        cores = os.cpu_count() or 1
    quota, _, period = read_text(CGROUP / 'cpu.max').partition(' ')
    if quota.isdecimal() and period.strip().isdecimal():
        cores = min(cores, max(1, round(int(quota) / int(period))))
    return cores


def available_memory() -> int | None:
    """Main memory in bytes that can be taken without swapping, with the limit of a container."""
    found = []
    for line in read_text('/proc/meminfo').splitlines():
        if line.startswith('MemAvailable:'):
            found.append(1024 * int(line.split()[1]))
    limit, used = (
        read_text(CGROUP / 'memory.max').strip(),
        read_text(CGROUP / 'memory.current').strip(),
    )
    if limit.isdecimal() and used.isdecimal():
        found.append(max(0, int(limit) - int(used)))
    return min(found, default=None)


def free_bytes(folder: str | Path) -> int:
    """What the user may still write in a folder, or in its nearest parent that exists."""
    folder = Path(folder).absolute()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _gpus() -> tuple[GPU, ...]:
    import torch

    if not torch.cuda.is_available():
        return ()
    devices = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
    return tuple(GPU(one.name, one.total_memory, one.major >= 8) for one in devices)


def _driver() -> str | None:
    command = ['nvidia-smi', '--query-gpu=driver_version', '--format=csv,noheader']
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return next(iter(asked.stdout.split()), None)


def _versions() -> dict[str, str]:
    from dinomm import __version__
    from dinomm.environment import LIBRARIES as PROVIDED

    found = {'dinomm': __version__, 'Python': platform.python_version()}
    for library in LIBRARIES:
        names = PROVIDED[library].distributions if library in PROVIDED else (library,)
        for name in names:
            try:
                found[library] = importlib.metadata.version(name)
                break
            except importlib.metadata.PackageNotFoundError:
                continue
    return found


def read_text(path: str | Path) -> str:
    """A file of the system, empty where there is none."""
    try:
        return Path(path).read_text()
    except OSError:
        return ''
