"""TorchScript files, for ``torch.jit.load`` and libtorch."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .capture import Captured
from .graph import scriptable
from .quiet import quiet

METADATA = 'metadata.json'


def write(captured: Captured, path: Path, metadata: dict[str, Any]) -> None:
    """Writes a module that takes images and gives a dict of features."""
    with quiet():
        module = torch.jit.script(scriptable(captured.program, captured.form.outputs))
        torch.jit.save(module, str(path), _extra_files={METADATA: json.dumps(metadata)})


def read_metadata(path: Path) -> dict[str, Any]:
    """What :func:`write` added."""
    files = {METADATA: ''}
    with quiet():
        torch.jit.load(str(path), _extra_files=files)
    return json.loads(files[METADATA])


def open_file(path: Path) -> Callable[[Tensor], dict[str, Tensor]]:
    """The network on the CPU."""
    with quiet():
        return torch.jit.load(str(path))
