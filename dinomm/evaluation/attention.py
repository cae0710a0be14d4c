"""How far the heads of the last block look: the entropy of their attention."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from dinomm.models.backbones import DINOVisionTransformer, swin_attention
from dinomm.models.mmpretrain_models import backbones


def attention_entropy(attention: Tensor) -> Tensor:
    """- sum over the keys of a log2 a, the mean over the queries: (N, heads) in bits.

    0 where every query looks at one key, log2(keys) where it looks at all alike.

    Args:
        attention: (N, heads, queries, keys), after the softmax; zeros count as 0.
    """
    return -torch.special.xlogy(attention, attention).sum(-1).mean(-1) / torch.log(
        torch.tensor(2.0)
    )


def last_attention(backbone: nn.Module, images: Tensor) -> Tensor:
    """Attention of the last block after the softmax, (N, heads, queries, keys).

    Swin: (N * windows, heads, places, places), see `swin_attention.last_attention`.

    Raises:
        ValueError: The backbone gives no attention.
    """
    if isinstance(backbone, DINOVisionTransformer):
        return backbone.last_attention(images)
    if isinstance(backbone, backbones.SwinTransformer):
        return swin_attention.last_attention(backbone, images)
    raise ValueError(
        f'model.backbone of type {type(backbone).__name__} gives no attention: expected '
        'DINOVisionTransformer or SwinTransformer'
    )


@torch.no_grad()
def measure_entropy(model: Any, batches: DataLoader) -> dict[str, Any]:
    """Mean entropy of each head of the last block over all images, in bits, and of all heads.

    Args:
        model: A `SelfDistillation` in evaluation mode.
        batches: With one view an image.

    Raises:
        ValueError: The backbone gives no attention.
    """
    total, images, windows = torch.zeros(()), 0, 0
    for batch in batches:
        (group,) = model.data_preprocessor(batch, False)['inputs']
        entropy = attention_entropy(last_attention(model.backbone, group.images)).cpu()
        total = total + entropy.sum(0)
        windows += len(entropy)
        images += len(group.images)
    heads = (total / windows).tolist()
    return {'mean': sum(heads) / len(heads), 'heads': heads, 'images': images}
