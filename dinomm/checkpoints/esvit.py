"""Names and order of the published EsViT checkpoints (Swin and both heads), to dinomm's and back.

dinomm's names of the backbone are mmpretrain's, whose patch merging unfolds its 2x2 patches
channel by channel, where the published one concatenates four maps.
"""

from collections.abc import Mapping

from torch import Tensor

from .dino import head_name
from .formats import Family, Format, State
from .swin import (
    EARLIER_NORMS,
    NO_MASK,
    OF_INDEX,
    PUBLISHED,
    num_stages,
    read_swin,
    unfold_order,
    write_swin,
)

HEADS = {'head': 'view', 'head_dense': 'region'}


def _read(state: State) -> State:
    if num_stages(state) > 1 and not any(n.startswith('stages.0.downsample.') for n in state):
        raise ValueError('layers.0.downsample is missing, which EsViT has and timm has not')
    return read_swin(state)


SWIN = PUBLISHED + [OF_INDEX]
FORMAT = Format(
    'esvit',
    'the published EsViT',
    (Family('swin', SWIN, _read, write_swin, left_out=EARLIER_NORMS, beside=NO_MASK),),
    container='teacher',
)


def swin_state(published: Mapping[str, Tensor]) -> State:
    """State of mmpretrain's ``SwinTransformer`` from a published Swin (without prefix or heads).

    Raises:
        ValueError: A name is none of a published Swin.
    """
    state = {}
    for name, value in published.items():
        ours = SWIN.ours(name)
        if ours is None:
            raise ValueError(f'{name} is no name of a published EsViT Swin')
        state[ours] = value
    return _read(state)


def model_state(published: Mapping[str, Tensor]) -> State:
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


__all__ = ['FORMAT', 'HEADS', 'SWIN', 'model_state', 'swin_state', 'unfold_order']
