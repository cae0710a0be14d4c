"""Figures on file, with what is needed to read them later."""

import json
import os
import platform
import shlex
import sys
from datetime import datetime, timezone
from pathlib import Path


def processor() -> str:
    """The processor's name, as the system states it."""
    info = Path('/proc/cpuinfo')
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith('model name'):
                return line.split(':', 1)[1].strip()
    return platform.processor() or platform.machine()


def write_json(path: str | Path, figures: dict, settings: dict | None = None) -> None:
    """Writes figures with command, machine, versions and date; whole, or not at all.

    Args:
        path: The file; its folder is made.
        figures: Plain data.
        settings: What they depend on, if the command does not tell it.
    """
    import torch

    from dinomm import __version__

    record = {
        'command': shlex.join([Path(sys.executable).name, *sys.argv]),
        'date': datetime.now(timezone.utc).isoformat(timespec='seconds'),
        'machine': {
            'processor': processor(),
            'cores': os.cpu_count(),
            'system': platform.system(),
            'cuda': torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        },
        'versions': {
            'dinomm': __version__,
            'torch': torch.__version__,
            'python': platform.python_version(),
        },
        **({} if settings is None else {'settings': settings}),
        'figures': figures,
    }
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'.{path.name}.partial')
    partial.write_text(json.dumps(record, indent=2) + '\n')
    os.replace(partial, path)
