"""Names of the published DINO checkpoints (ViT, ResNet-50 and head), to dinomm's and back.

Renames only; nothing is reshaped. dinomm's names of the backbone are mmpretrain's.
"""

from collections.abc import Mapping
from typing import TypeVar

from .formats import Family, Format, Patterns
from .names import NameTable
from .resnet import RESNET

T = TypeVar('T')

VIT = NameTable(
    [
        ('cls_token', 'cls_token'),
        ('pos_embed', 'pos_embed'),
        ('patch_embed.projection.', 'patch_embed.proj.'),
        ('layers.{i}.ln1.', 'blocks.{i}.norm1.'),
        ('layers.{i}.attn.qkv.', 'blocks.{i}.attn.qkv.'),
        ('layers.{i}.attn.proj.', 'blocks.{i}.attn.proj.'),
        ('layers.{i}.ln2.', 'blocks.{i}.norm2.'),
        ('layers.{i}.ffn.layers.0.0.', 'blocks.{i}.mlp.fc1.'),
        ('layers.{i}.ffn.layers.1.', 'blocks.{i}.mlp.fc2.'),
        ('ln1.', 'norm.'),
    ]
)
HEAD = NameTable(
    [
        ('projector.{i}.', 'mlp.{i}.'),
        ('projector.0.', 'mlp.'),
        (
            'prototypes.weight_g',
            'last_layer.weight_g',
            'last_layer.parametrizations.weight.original0',
        ),
        (
            'prototypes.weight_v',
            'last_layer.weight_v',
            'last_layer.parametrizations.weight.original1',
        ),
    ]
)
NO_MASKS: Patterns = ((r'mask_token\Z', 'the mask token, of use in pretraining alone'),)

FORMAT = Format(
    'dino', 'the published DINO', (Family('vit', VIT, left_out=NO_MASKS), RESNET), container=''
)


def vit_name(name: str) -> str:
    """dinomm's name of a published ViT parameter (both without a prefix)."""
    return VIT.ours(name) or name


def head_name(name: str) -> str:
    """dinomm's name of a parameter of a published head (both without a prefix)."""
    return HEAD.ours(name) or name


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
