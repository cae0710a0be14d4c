"""Pictures as a network looks at them whole, of any shape, for people to see."""

from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor, nn

from dinomm.datasets.transforms.geometry import resized_crop
from dinomm.models.mmpretrain_models import backbones

from .attention_maps import Query, attention_maps
from .images import encode_whole_patches, normalised, patch_stride, read_picture
from .network import FrozenNetwork, view_size

ENLARGEMENT = 2
"""Of the evaluated view: more cells to look at, and not far from what was trained on."""


def usual_size(config: Config, backbone: nn.Module) -> int:
    """The longest side that a picture is looked at with, in pixels."""
    return view_size(config) * (ENLARGEMENT if _only_size(backbone) is None else 1)


def look_at(path: str | Path, backbone: nn.Module, size: int) -> np.ndarray:
    """The picture of a file at the network's size: (H, W, 3) uint8, whole patches.

    The longest side becomes ``size``, and both a multiple of the patch, so that the aspect changes
    a little; for a network of one size (timm's without ``dynamic_img_size``) it is a square.

    Raises:
        BrokenImageError: It is missing or cannot be decoded.
        ValueError: The size is smaller than a patch, or not the one that the network takes.
    """
    return fit_to_patches(read_picture(path), backbone, size)


def fit_to_patches(picture: np.ndarray, backbone: nn.Module, size: int) -> np.ndarray:
    """As :func:`look_at`, of a picture (H, W, 3) uint8."""
    patch = patch_stride(backbone)
    if size < max(patch):
        raise ValueError(
            f'size is {size}: expected pixels, at least a patch of {patch[0]}x{patch[1]}'
        )
    height, width = picture.shape[:2]
    sides = [length * size / max(height, width) for length in (height, width)]
    only = _only_size(backbone)
    if only is not None:
        if only != (size, size):
            raise ValueError(
                f'size is {size}, but model.backbone takes images of {only[0]}x{only[1]} pixels '
                'alone: look at that size, or set model.backbone.dynamic_img_size=True'
            )
        sides = [size, size]
    whole = tuple(
        max(1, round(side / length)) * length for side, length in zip(sides, patch, strict=True)
    )
    return resized_crop(picture, (0, 0, height, width), whole)


def to_images(network: FrozenNetwork, picture: np.ndarray) -> Tensor:
    """(1, 3, H, W) normalised, on the network's device."""
    return normalised(network, torch.from_numpy(picture).permute(2, 0, 1)[None])


@torch.no_grad()
def region_map(network: FrozenNetwork, picture: np.ndarray) -> np.ndarray:
    """The region features of one picture, (h, w, C) float32."""
    tokens = encode_whole_patches(network, to_images(network, picture))
    return tokens.region[0].unflatten(0, tokens.grid).cpu().numpy()


def attention_of(
    network: FrozenNetwork, picture: np.ndarray, query: Query | None = None
) -> np.ndarray:
    """Attention maps of one picture, (heads, h, w) float32; see :func:`attention_maps`."""
    images = to_images(network, picture)
    with network.autocast(images.device):
        maps = attention_maps(network.backbone, images, query)
    return maps[0].float().cpu().numpy()


def _only_size(backbone: nn.Module) -> tuple[int, int] | None:
    """(height, width) where a backbone takes no other."""
    if not isinstance(backbone, backbones.TIMMBackbone):
        return None
    embedding = getattr(backbone.timm_model, 'patch_embed', None)
    if embedding is None or not getattr(embedding, 'strict_img_size', False):
        return None
    return tuple(embedding.img_size)
