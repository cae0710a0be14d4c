"""Masked patches: a learned token stands in for their embedding (iBOT, arXiv:2111.07832)."""

import torch
from torch import Tensor, nn


def mask_patches(
    patches: Tensor, token: nn.Parameter | None, masks: Tensor | None, training: bool
) -> Tensor:
    """Patch embeddings (N, T, C), those where ``masks`` (N, T) is true replaced by ``token``.

    Without masks the token takes part in training with a gradient of 0, as DDP wants it.

    Args:
        patches: Before positions are added.
        token: (1, C), or None.
        masks: Of :func:`flat_masks`; None: nothing is masked.
        training: Whether the backbone trains.
    """
    if token is None:
        return patches
    value = token.to(patches.dtype)
    if masks is not None:
        return torch.where(masks[..., None], value, patches)
    return patches + 0 * value if training and token.requires_grad else patches


def flat_masks(
    masks: Tensor, token: nn.Parameter | None, num_images: int, grid: tuple[int, int]
) -> Tensor:
    """Masks (N, h * w) of masks (N, h, w) or (N, h * w).

    Raises:
        ValueError: They are of another form, or there is no mask token.
    """
    if token is None:
        raise ValueError(
            'masks were given to a backbone without a mask token: set '
            'model.backbone.mask_token=True'
        )
    height, width = grid
    shapes = ((num_images, height, width), (num_images, height * width))
    if masks.dtype != torch.bool or tuple(masks.shape) not in shapes:
        raise ValueError(
            f'masks are {masks.dtype} of shape {tuple(masks.shape)}: expected booleans of shape '
            f"{shapes[0]} or {shapes[1]}, one for each cell of the backbone's mask_grid"
        )
    return masks.flatten(1)
