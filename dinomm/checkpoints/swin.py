"""What the formats of a Swin have in common, and the orders of its patch merging."""

import re
from collections.abc import Callable

import torch
from torch import Tensor

from .formats import Patterns, State
from .names import NameTable

PUBLISHED = NameTable(
    [
        ('patch_embed.projection.', 'patch_embed.proj.'),
        ('patch_embed.norm.', 'patch_embed.norm.'),
        ('stages.{i}.blocks.{j}.norm1.', 'layers.{i}.blocks.{j}.norm1.'),
        ('stages.{i}.blocks.{j}.attn.w_msa.qkv.', 'layers.{i}.blocks.{j}.attn.qkv.'),
        ('stages.{i}.blocks.{j}.attn.w_msa.proj.', 'layers.{i}.blocks.{j}.attn.proj.'),
        (
            'stages.{i}.blocks.{j}.attn.w_msa.relative_position_bias_table',
            'layers.{i}.blocks.{j}.attn.relative_position_bias_table',
        ),
        ('stages.{i}.blocks.{j}.norm2.', 'layers.{i}.blocks.{j}.norm2.'),
        ('stages.{i}.blocks.{j}.ffn.layers.0.0.', 'layers.{i}.blocks.{j}.mlp.fc1.'),
        ('stages.{i}.blocks.{j}.ffn.layers.1.', 'layers.{i}.blocks.{j}.mlp.fc2.'),
        ('stages.{i}.downsample.norm.', 'layers.{i}.downsample.norm.'),
        ('stages.{i}.downsample.reduction.', 'layers.{i}.downsample.reduction.'),
        ('norm.', 'norm.'),
    ]
)
"""Names of Microsoft's Swin; ``norm`` is the final one, which dinomm calls by its stage."""

INDEX = 'relative_position_index'
TABLE = 'relative_position_bias_table'
OF_INDEX = (
    f'stages.{{i}}.blocks.{{j}}.attn.w_msa.{INDEX}',
    f'layers.{{i}}.blocks.{{j}}.attn.{INDEX}',
)
EARLIER_NORMS: Patterns = ((r'norm\d+\.', 'a norm of the output of an earlier stage'),)
NO_INDEX: Patterns = ((rf'.*\.{INDEX}\Z', 'a buffer, computed from the window'),)
NO_MASK: Patterns = ((r'.*\.attn_mask\Z', 'a buffer, computed from the size of the image'),)


def read_swin(state: State) -> State:
    """dinomm's weights from a state whose names alone are dinomm's.

    The final norm gets its stage's number, patch merging the order of ``nn.Unfold``, and each
    window attention its index where there is none.
    """
    last = num_stages(state) - 1
    state = _merging(state, unfold_order)
    for name in [name for name in state if name.endswith(TABLE)]:
        state.setdefault(name.replace(TABLE, INDEX), position_index(state[name]))
    return {re.sub(r'^norm\.', f'norm{last}.', name): t for name, t in state.items()}


def write_swin(state: State) -> State:
    """The inverse of :func:`read_swin`, but for the index."""
    last = num_stages(state) - 1
    state = _merging(state, published_order)
    return {re.sub(rf'^norm{last}\.', 'norm.', name): t for name, t in state.items()}


def num_stages(state: State) -> int:
    """Stages of a Swin by dinomm's names.

    Raises:
        ValueError: There is none.
    """
    stages = {int(found[1]) for name in state if (found := re.match(r'stages\.(\d+)\.b', name))}
    if not stages:
        raise ValueError('there is no stage of a Swin')
    return max(stages) + 1


def position_index(table: Tensor) -> Tensor:
    """Rows (w^2, w^2) of a table ((2w - 1)^2, heads): a row for each offset of two places.

    Raises:
        ValueError: The table is not of a square window.
    """
    side = round(len(table) ** 0.5)
    if side**2 != len(table) or side % 2 == 0:
        raise ValueError(f'a {TABLE} has {len(table)} rows: expected (2 window - 1)^2')
    window = (side + 1) // 2
    places = torch.cartesian_prod(torch.arange(window), torch.arange(window))
    row, column = (places[:, None] - places[None] + window - 1).unbind(-1)
    return row * side + column


def unfold_order(value: Tensor) -> Tensor:
    """A patch merging's norm (4C) or reduction weight (2C, 4C), in the order of ``nn.Unfold``.

    Published: the four neighbours (0, 0), (1, 0), (0, 1), (1, 1) as (row, column), each with its
    C channels. Unfolded: each channel with its neighbours, row by row.
    """
    neighbours = value.unflatten(-1, (4, -1))[..., [0, 2, 1, 3], :]
    return neighbours.transpose(-1, -2).flatten(-2)


def published_order(value: Tensor) -> Tensor:
    """The inverse of :func:`unfold_order`."""
    neighbours = value.unflatten(-1, (-1, 4)).transpose(-1, -2)
    return neighbours[..., [0, 2, 1, 3], :].flatten(-2)


def _merging(state: State, order: Callable[[Tensor], Tensor]) -> State:
    return {name: order(t) if '.downsample.' in name else t for name, t in state.items()}
