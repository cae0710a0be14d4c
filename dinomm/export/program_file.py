"""Files of ``torch.export`` (.pt2), for ``torch.export.load`` and compilers that start from it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .capture import Captured
from .quiet import quiet

METADATA = 'metadata.json'


def write(captured: Captured, path: Path, metadata: dict[str, Any]) -> None:
    """Writes a program whose module takes images and gives a dict of features."""
    with quiet():
        torch.export.save(captured.program, path, extra_files={METADATA: json.dumps(metadata)})


def read_metadata(path: Path) -> dict[str, Any]:
    """What :func:`write` added."""
    files = {METADATA: ''}
    with quiet():
        torch.export.load(path, extra_files=files)
    return json.loads(files[METADATA])


def open_file(path: Path) -> Callable[[Tensor], dict[str, Tensor]]:
    """The network on the CPU."""
    with quiet():
        return torch.export.load(path).module()
