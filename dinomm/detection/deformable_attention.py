"""Multi-scale deformable attention with the arguments of `mmcv._ext`, by mmcv's form in torch."""

from __future__ import annotations

import sys

import torch
from torch import Tensor


def ms_deform_attn_forward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    im2col_step: int,
) -> Tensor:
    """Multi-scale deformable attention (Zhu et al. 2021, eq. 3) by mmcv's own form in torch.

    Args:
        value: (B, keys, heads, channels), the levels one after the other.
        value_spatial_shapes: (levels, 2) height and width of each.
        value_level_start_index: Unused: it follows from the shapes.
        sampling_locations: (B, queries, heads, levels, points, 2) x and y from 0 to 1.
        attention_weights: (B, queries, heads, levels, points).
        im2col_step: Unused: images are not split.

    Returns:
        (B, queries, heads * channels).
    """
    attention = sys.modules['mmcv.ops.multi_scale_deform_attn']
    return attention.multi_scale_deformable_attn_pytorch(
        value, value_spatial_shapes, sampling_locations, attention_weights
    )


def ms_deform_attn_backward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_sampling_loc: Tensor,
    grad_attn_weight: Tensor,
    im2col_step: int,
) -> None:
    """Writes the gradients of `ms_deform_attn_forward` into the three tensors for them."""
    inputs = [
        tensor.detach().requires_grad_()
        for tensor in (value, sampling_locations, attention_weights)
    ]
    with torch.enable_grad():
        output = ms_deform_attn_forward(
            inputs[0],
            value_spatial_shapes,
            value_level_start_index,
            inputs[1],
            inputs[2],
            im2col_step,
        )
    gradients = torch.autograd.grad(output, inputs, grad_output)
    grad_value.copy_(gradients[0])
    grad_sampling_loc.copy_(gradients[1])
    grad_attn_weight.copy_(gradients[2])
