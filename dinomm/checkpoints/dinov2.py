"""Names of the published DINOv2 checkpoints (ViT with LayerScale, SwiGLU, registers), to dinomm's.

Renames only; nothing is reshaped. Class token, registers, mask token and position embedding have
the same name in both.
"""

import re

from . import dino

# a checkpoint of training holds its blocks in chunks, each under the number that it has in all
CHUNK = re.compile(r'^blocks\.\d+\.(?=\d+\.)')
VIT = (
    ('.ls1.gamma', '.attn.gamma1.weight'),
    ('.ls2.gamma', '.ffn.gamma2.weight'),
    ('.mlp.w12.', '.ffn.w12.'),
    ('.mlp.w3.', '.ffn.w3.'),
)


def vit_name(name: str) -> str:
    """dinomm's name of a published ViT parameter (both without a prefix)."""
    name = dino.vit_name(CHUNK.sub('blocks.', name))
    for published, ours in VIT:
        name = name.replace(published, ours)
    return name
