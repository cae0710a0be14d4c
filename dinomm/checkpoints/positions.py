"""Weights whose position embedding is of another grid than the network's."""

from typing import Any

from torch import Tensor

NAME = 'pos_embed'


def adapt_positions(backbone: Any, state: dict[str, Tensor], prefix: str = '') -> str:
    """Resizes the position embedding in ``state`` to the backbone's grid, by its own rule.

    Nothing happens where the backbone has no such table (rotary positions, Swin, ResNet), no rule
    (``resized_positions``), or a table of this very size.

    Args:
        backbone: Whose weights these are to become.
        state: Changed in place.
        prefix: Of the backbone's names in ``state``.

    Returns:
        What was resized, for people; empty if nothing was.

    Raises:
        ValueError: The table fits no square grid, or has another width.
    """
    given, own = state.get(prefix + NAME), getattr(backbone, NAME, None)
    if given is None or own is None or given.shape == own.shape:
        return ''
    if not hasattr(backbone, 'resized_positions') or given.shape[-1] != own.shape[-1]:
        return ''
    state[prefix + NAME] = backbone.resized_positions(given)
    return f'{prefix}{NAME} resized from {tuple(given.shape)} to {tuple(own.shape)}'
