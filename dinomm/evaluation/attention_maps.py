"""Attention of the last block as maps over the image."""

from typing import Any

import torch
from torch import Tensor, nn

from dinomm.models.backbones import swin_attention
from dinomm.models.mmpretrain_models import backbones

from .attention import last_attention
from .images import patch_stride

Query = tuple[float, float]
"""A point (x, y) of an image, shares of its width and height from 0 up to 1."""


@torch.no_grad()
def attention_maps(backbone: nn.Module, images: Tensor, query: Query | None = None) -> Tensor:
    """Where each head of the last block looks: (N, heads, h, w), float32.

    ViT: from the class token (without one: the mean over the patches), or from the patch at
    ``query``, to the patches; a map sums to less than 1 where there is a class token.
    Swin: the share that each cell is given in its window, the mean over the window's cells, or
    what the cell at ``query`` gives to the cells of its window, 0 elsewhere.

    Args:
        backbone: `DINOVisionTransformer` or mmpretrain's ``SwinTransformer``.
        images: (N, 3, H, W) normalised, for a ViT of whole patches.
        query: The point that looks.

    Raises:
        ValueError: The backbone gives no attention, or the point lies outside.
    """
    if query is not None and not all(0 <= share < 1 for share in query):
        raise ValueError(
            f'query is {query[0]:g} {query[1]:g}: expected x and y as shares of width and height, '
            'from 0 up to, but not including, 1'
        )
    if isinstance(backbone, backbones.SwinTransformer):
        return _of_windows(backbone, images, query)
    attention = last_attention(backbone, images).float()
    vit: Any = backbone
    height, width = (
        side // patch for side, patch in zip(images.shape[-2:], patch_stride(backbone), strict=True)
    )
    extra = vit.num_extra_tokens
    if query is not None:
        rows = attention[:, :, extra + _cell(query, (height, width))]
    elif vit.with_cls_token:
        rows = attention[:, :, 0]
    else:
        rows = attention.mean(2)
    return rows[..., extra:].unflatten(-1, (height, width))


def _cell(query: Query, grid: tuple[int, int]) -> int:
    return int(query[1] * grid[0]) * grid[1] + int(query[0] * grid[1])


def _of_windows(backbone: nn.Module, images: Tensor, query: Query | None) -> Tensor:
    attention, layout, grid = swin_attention.last_windows(backbone, images)
    places = attention.shape[-1]
    is_token = torch.zeros(len(layout.windows), device=attention.device)
    is_token[layout.tokens] = 1
    if query is None:
        weight = is_token.view(-1, 1, places, 1)
        rows = (attention * weight).sum(-2) / weight.sum(-2)
    else:
        window, place = divmod(int(layout.tokens[_cell(query, grid)]), places)
        rows = torch.zeros_like(attention[..., 0])
        rows[:, window] = attention[:, window, :, place]
    flat = rows.transpose(1, 2).flatten(2)  # (N, heads, windows * places)
    return flat.index_select(2, layout.tokens).unflatten(-1, grid)
