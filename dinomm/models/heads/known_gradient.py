"""Losses that know their gradients when they know their value.

A loss over rows x prototypes is computed in chunks, and its gradient with it, so that no chunk's
logits are kept for the backward pass.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Gradients = tuple[Tensor, Tensor, Tensor | None]
"""The loss (scalar), its gradient to the rows, and to the prototypes if that is needed."""


class _KnownGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, rows, prototypes, compute):
        with torch.autocast(rows.device.type, enabled=False):
            loss, *ctx.gradients = compute(
                rows.float(), prototypes.float(), need_prototypes=ctx.needs_input_grad[1]
            )
        ctx.dtypes = rows.dtype, prototypes.dtype
        return loss

    @staticmethod
    def backward(ctx, grad):
        if ctx.gradients is None:
            raise RuntimeError('the gradient of this loss was taken before')
        gradients, ctx.gradients = ctx.gradients, None
        scaled = [
            None if gradient is None else gradient.mul_(grad).to(dtype)
            for gradient, dtype in zip(gradients, ctx.dtypes, strict=True)
        ]
        return *scaled, None


def with_known_gradient(
    rows: Tensor, prototypes: Tensor, compute: Callable[..., Gradients]
) -> Tensor:
    """The loss of ``compute(rows, prototypes, need_prototypes=...)``; its gradient once.

    Args:
        rows: Of the student, with a gradient.
        prototypes: (K, D) of the student, with a gradient or frozen.
        compute: Is given both in float32 and with autocast off.
    """
    return _KnownGradient.apply(rows, prototypes, compute)
