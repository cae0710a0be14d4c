"""Names and order of the published EsViT checkpoints (Swin and both heads), to dinomm's.

dinomm's names of the backbone are mmpretrain's, whose patch merging unfolds its 2x2 patches
channel by channel, where the published one concatenates four maps.
"""

from collections.abc import Mapping

from torch import Tensor

from .dino import head_name

SWIN = (
    ('patch_embed.proj.', 'patch_embed.projection.'),
    ('layers.', 'stages.'),
    ('.attn.', '.attn.w_msa.'),
    ('.mlp.fc1.', '.ffn.layers.0.0.'),
    ('.mlp.fc2.', '.ffn.layers.1.'),
)
BACKBONE = ('patch_embed.', 'layers.', 'norm.')
HEADS = {'head': 'view', 'head_dense': 'region'}


def swin_state(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State of mmpretrain's ``SwinTransformer`` from a published Swin (without prefix or heads).

    Raises:
        ValueError: A name is none of a published Swin.
    """
    state = {}
    for name, value in published.items():
        if not name.startswith(BACKBONE):
            raise ValueError(f'{name} is no name of a published EsViT Swin')
        if '.downsample.' in name:
            value = unfold_order(value)
        state[_swin_name(name)] = value
    return state


def model_state(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State of ``SelfDistillation`` with the heads 'view' and 'region', from a published network.

    The published network holds its heads inside the backbone, as ``head`` and ``head_dense``.

    Raises:
        ValueError: A name belongs to neither backbone nor heads.
    """
    heads, backbone = {}, {}
    for name, value in published.items():
        name = name.removeprefix('module.')
        part, _, rest = name.partition('.')
        if part in HEADS:
            heads[f'heads.{HEADS[part]}.{head_name(rest)}'] = value
        else:
            backbone[name] = value
    return {**{f'backbone.{k}': v for k, v in swin_state(backbone).items()}, **heads}


def unfold_order(value: Tensor) -> Tensor:
    """A patch merging's norm (4C) or reduction weight (2C, 4C), in the order of ``nn.Unfold``.

    Published: the four neighbours (0, 0), (1, 0), (0, 1), (1, 1) as (row, column), each with its
    C channels. Unfolded: each channel with its neighbours, row by row.
    """
    neighbours = value.unflatten(-1, (4, -1))[..., [0, 2, 1, 3], :]
    return neighbours.transpose(-1, -2).flatten(-2)


def _swin_name(name: str) -> str:
    if name.startswith('norm.'):
        return name.replace('norm.', 'norm3.')  # mmpretrain norms the output of every stage
    for published, ours in SWIN:
        name = name.replace(published, ours)
    return name
