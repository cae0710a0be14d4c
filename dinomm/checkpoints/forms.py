"""The form of a network, from its weights by dinomm's names."""

import re
from typing import NamedTuple

from .formats import State
from .swin import num_stages

HEAD_WIDTH = 64
"""Of every published ViT of the matrix."""

RESNETS: dict[tuple[int, ...], int] = {
    (2, 2, 2, 2): 18,
    (3, 4, 6, 3): 50,
    (3, 4, 23, 3): 101,
    (3, 8, 36, 3): 152,
}


class VitForm(NamedTuple):
    """Of a ViT; sizes in pixels, ``hidden`` is the width inside the MLP."""

    width: int
    depth: int
    heads: int
    hidden: int
    patch: int
    image: int
    registers: int
    swiglu: bool
    layer_scale: bool
    mask_token: bool
    qkv_bias: bool


class SwinForm(NamedTuple):
    """Of a Swin; ``image`` is the smallest whose last map fills a window."""

    width: int
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    window: int
    mlp_ratio: int
    patch: int
    image: int


class ResNetForm(NamedTuple):
    """Of a ResNet."""

    depth: int
    image: int = 224


Form = VitForm | SwinForm | ResNetForm


def form_of(kind: str, state: State, heads: int | None = None) -> Form:
    """The form of a network.

    Args:
        kind: 'vit', 'swin' or 'resnet'.
        state: Weights by dinomm's names.
        heads: Of a ViT's attention; by default one for each 64 channels.

    Raises:
        ValueError: The weights are not those of one whole network, or --heads does not fit it.
    """
    if heads is not None and kind != 'vit':
        raise ValueError(f'--heads is for a ViT: a {kind} shows its heads, or has none')
    try:
        if kind == 'vit':
            return _vit(state, heads)
        return _swin(state) if kind == 'swin' else _resnet(state)
    except KeyError as error:
        raise ValueError(f'{error.args[0]} is missing: the file holds no whole {kind}') from None


def _vit(state: State, heads: int | None) -> VitForm:
    width = state['cls_token'].shape[-1]
    if heads is None and width % HEAD_WIDTH:
        raise ValueError(
            f'the network is {width} wide, no multiple of {HEAD_WIDTH}: say by --heads how many '
            'attention heads it has'
        )
    heads = width // HEAD_WIDTH if heads is None else heads
    if heads < 1 or width % heads:
        raise ValueError(f'--heads is {heads}: expected a divisor of the width, {width}')
    places = state['pos_embed'].shape[1] - 1
    grid, patch = round(places**0.5), state['patch_embed.projection.weight'].shape[-1]
    if grid**2 != places:
        raise ValueError(f'pos_embed has {places} places beside the class token: expected a square')
    swiglu = 'layers.0.ffn.w3.weight' in state
    registers = state.get('register_tokens')
    name = 'layers.0.ffn.w3.weight' if swiglu else 'layers.0.ffn.layers.1.weight'
    return VitForm(
        width=width,
        depth=_count(state, r'layers\.(\d+)\.'),
        heads=heads,
        hidden=state[name].shape[1],
        patch=patch,
        image=grid * patch,
        registers=0 if registers is None else registers.shape[1],
        swiglu=swiglu,
        layer_scale='layers.0.attn.gamma1.weight' in state,
        mask_token='mask_token' in state,
        qkv_bias='layers.0.attn.qkv.bias' in state,
    )


def _swin(state: State) -> SwinForm:
    stages = range(num_stages(state))
    tables = [state[f'stages.{i}.blocks.0.attn.w_msa.relative_position_bias_table'] for i in stages]
    window = (round(len(tables[0]) ** 0.5) + 1) // 2
    if len({len(table) for table in tables}) > 1:
        raise ValueError('the stages have windows of several sizes: no library has such a Swin')
    width, _, patch, _ = state['patch_embed.projection.weight'].shape
    return SwinForm(
        width=width,
        depths=tuple(_count(state, rf'stages\.{i}\.blocks\.(\d+)\.') for i in stages),
        heads=tuple(table.shape[1] for table in tables),
        window=window,
        mlp_ratio=state['stages.0.blocks.0.ffn.layers.1.weight'].shape[1] // width,
        patch=patch,
        image=window * patch * 2 ** (len(stages) - 1),
    )


def _resnet(state: State) -> ResNetForm:
    counts = tuple(_count(state, rf'layer{i}\.(\d+)\.') for i in range(1, 5))
    depth = RESNETS.get(counts)
    if depth == 50 and 'layer1.0.conv3.weight' not in state:
        depth = 34
    if depth is None:
        raise ValueError(
            f'the stages have {counts} blocks: expected those of one of the ResNets '
            f'{sorted([34, *RESNETS.values()])}'
        )
    return ResNetForm(depth)


def _count(state: State, pattern: str) -> int:
    numbers = [int(found[1]) for name in state if (found := re.match(pattern, name))]
    return max(numbers, default=-1) + 1
