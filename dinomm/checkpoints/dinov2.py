"""Names of the published DINOv2 checkpoints (ViT with LayerScale, SwiGLU, registers), to dinomm's.

Renames only; nothing is reshaped. Class token, registers, mask token and position embedding have
the same name in both.
"""

import torch

from . import dino
from .formats import Family, Format, State
from .names import NameTable

NAMES = dino.VIT + [
    ('mask_token', 'mask_token'),
    ('register_tokens', 'register_tokens'),
    ('layers.{i}.attn.gamma1.weight', 'blocks.{i}.ls1.gamma'),
    ('layers.{i}.ffn.gamma2.weight', 'blocks.{i}.ls2.gamma'),
    ('layers.{i}.ffn.w12.', 'blocks.{i}.mlp.w12.'),
    ('layers.{i}.ffn.w3.', 'blocks.{i}.mlp.w3.'),
]
# a checkpoint of training holds its blocks in chunks, each under the number that it has in all
NAMES = NameTable((*pair, pair[1].replace('{i}', '{chunk}.{i}')) for pair in NAMES.pairs)


def with_mask_token(state: State) -> State:
    """The state with a mask token, zero as at the start of training where there is none."""
    return {'mask_token': torch.zeros_like(state['cls_token'][0]), **state}


FORMAT = Format(
    'dinov2',
    'the published DINOv2',
    (Family('vit', NAMES, write=with_mask_token, requires='mask_token'),),
)


def vit_name(name: str) -> str:
    """dinomm's name of a published ViT parameter (both without a prefix)."""
    return NAMES.ours(name) or name
