"""What an exported file says about itself."""

import hashlib
from pathlib import Path
from typing import Any

import torch
from mmpretrain.models.backbones import VisionTransformer

from dinomm.evaluation.network import UNTRAINED, FrozenNetwork
from dinomm.version import __version__

from .capture import Captured, statistic

INPUTS = {
    False: 'float32 RGB (N, 3, H, W): (grey level - mean) / std',
    True: 'uint8 RGB (N, 3, H, W): grey levels of 0 to 255',
}
"""By whether the normalisation is inside."""


def describe(captured: Captured, network: FrozenNetwork) -> dict[str, Any]:
    """Input and outputs, as plain data.

    ``mean`` and ``std`` are in grey levels, sizes (height, width) in pixels; ``patch`` is None for
    networks of several stages.
    """
    form = captured.form
    return {
        'input': INPUTS[form.uint8],
        **{name: statistic(network, name).flatten().tolist() for name in ('mean', 'std')},
        'size': list(form.size),
        'patch': patch_of(network),
        'grid': list(captured.grid),
        'outputs': list(form.outputs),
        'width': captured.width,
        'dtype': str(form.dtype).removeprefix('torch.'),
        'backbone': type(network.backbone).__name__,
        'dinomm': __version__,
        'torch': torch.__version__,
    }


def describe_source(config: str, checkpoint: str, student: bool) -> dict[str, Any]:
    """Where the weights are from."""
    file = None if checkpoint == UNTRAINED else Path(checkpoint).expanduser()
    return {
        'config': Path(config).name,
        'checkpoint': file.name if file else UNTRAINED,
        'sha256': sha256(file) if file else None,
        'student': student,
    }


def patch_of(network: FrozenNetwork) -> list[int] | None:
    """(height, width) of a ViT's patches."""
    backbone = network.backbone
    if isinstance(backbone, VisionTransformer):
        return list(backbone.patch_embed.projection.stride)
    model = getattr(backbone, 'timm_model', None)
    size = getattr(getattr(model, 'patch_embed', None), 'patch_size', None)
    return list(size) if size and hasattr(model, 'pos_embed') else None


def sha256(file: Path) -> str:
    """Of a file's bytes."""
    with file.open('rb') as stream:
        digest = hashlib.sha256()
        while block := stream.read(2**20):
            digest.update(block)
    return digest.hexdigest()
