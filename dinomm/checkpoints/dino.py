"""Names of the published DINO checkpoints (ViT and head), to dinomm's.

Renames only; nothing is reshaped. dinomm's names of the backbone are mmpretrain's.
"""

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar('T')

VIT = (
    ('patch_embed.proj.', 'patch_embed.projection.'),
    ('blocks.', 'layers.'),
    ('.norm1.', '.ln1.'),
    ('.norm2.', '.ln2.'),
    ('.mlp.fc1.', '.ffn.layers.0.0.'),
    ('.mlp.fc2.', '.ffn.layers.1.'),
)
HEAD = (('mlp.', 'projector.'), ('last_layer.', 'prototypes.'))


def vit_name(name: str) -> str:
    """dinomm's name of a published ViT parameter (both without a prefix)."""
    if name.startswith('norm.'):
        return 'ln1.' + name.removeprefix('norm.')
    return _renamed(name, VIT)


def head_name(name: str) -> str:
    """dinomm's name of a parameter of a published head (both without a prefix)."""
    return _renamed(name, HEAD)


def model_state(published: Mapping[str, T], head: str = 'view') -> dict[str, T]:
    """State of ``SelfDistillation`` from a published network with ``backbone.`` and ``head.``.

    Raises:
        ValueError: A name belongs to neither.
    """
    state = {}
    for name, value in published.items():
        name = name.removeprefix('module.')
        if name.startswith('backbone.'):
            state['backbone.' + vit_name(name.removeprefix('backbone.'))] = value
        elif name.startswith('head.'):
            state[f'heads.{head}.' + head_name(name.removeprefix('head.'))] = value
        else:
            raise ValueError(f'{name} is no name of a published DINO checkpoint')
    return state


def _renamed(name: str, rules) -> str:
    for published, ours in rules:
        name = name.replace(published, ours)
    return name
