"""Functions with the names and arguments of the operators in `mmcv._ext`, on torch alone.

As there, results are written into the tensors that are handed in for them. Half precision is
computed in float32.
"""

from __future__ import annotations

import torch
import torchvision
from torch import Tensor

from .deformable_attention import ms_deform_attn_backward, ms_deform_attn_forward

DETECTORS_USE = (
    'nms',
    'softnms',
    'roi_align',
    'sigmoid_focal_loss',
    'ms_deform_attn',
)

__all__ = [
    'get_compiler_version',
    'get_compiling_cuda_version',
    'ms_deform_attn_backward',
    'ms_deform_attn_forward',
    'nms',
    'roi_align_backward',
    'roi_align_forward',
    'sigmoid_focal_loss_backward',
    'sigmoid_focal_loss_forward',
    'softnms',
]


def get_compiler_version() -> str:
    """What mmcv's report of the environment prints as its compiler."""
    return 'none'


def get_compiling_cuda_version() -> str:
    """What mmcv's report of the environment prints as the CUDA it was compiled with."""
    return 'none'


def nms(bboxes: Tensor, scores: Tensor, iou_threshold: float, offset: int = 0) -> Tensor:
    """Non-maximum suppression.

    Args:
        bboxes: (N, 4) corners x1, y1, x2, y2.
        scores: (N,).
        iou_threshold: Boxes that overlap a better one by more are dropped.
        offset: 1 if x2 and y2 lie inside the box, so that its width is x2 - x1 + 1; else 0.

    Returns:
        Indices of the boxes that are kept, by falling score.
    """
    boxes = at_least_float(bboxes)
    boxes = torch.cat([boxes[:, :2], boxes[:, 2:] + offset], dim=1)
    return torchvision.ops.nms(boxes, scores.to(boxes.dtype), iou_threshold)


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Soft-NMS (Bodla et al. 2017): overlapping boxes lose score instead of being dropped.

    Args:
        boxes: (N, 4) corners x1, y1, x2, y2.
        scores: (N,).
        dets: (N, 5); its first rows get the kept boxes and their new scores.
        iou_threshold: Overlap from which methods 0 and 1 act.
        sigma: Width of method 2.
        min_score: Boxes whose score falls below it are dropped.
        method: 0 hard suppression, 1 linear, 2 Gaussian.
        offset: As in `nms`.

    Returns:
        Indices of the boxes that are kept, in the order of `dets`.
    """
    corners = torch.cat([boxes[:, :2], boxes[:, 2:] + offset], dim=1)
    scores = scores.clone()
    left = torch.arange(len(boxes), device=boxes.device)
    kept: list[Tensor] = []
    while len(left):
        best = int(scores[left].argmax())
        index = left[best]
        dets[len(kept), :4] = boxes[index]
        dets[len(kept), 4] = scores[index]
        kept.append(index)
        left = torch.cat([left[:best], left[best + 1 :]])
        overlap = torchvision.ops.box_iou(corners[index][None], corners[left])[0]
        scores[left] *= soft_weight(overlap, iou_threshold, sigma, method)
        left = left[scores[left] >= min_score]
    return torch.stack(kept) if kept else left


def soft_weight(overlap: Tensor, iou_threshold: float, sigma: float, method: int) -> Tensor:
    """The factor on the score of boxes that overlap a better one (Bodla et al. 2017, eq. 3)."""
    if method == 2:
        return torch.exp(-(overlap**2) / sigma)
    reduced = 1 - overlap if method == 1 else torch.zeros_like(overlap)
    return torch.where(overlap >= iou_threshold, reduced, 1.0)


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    *,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """RoIAlign (He et al. 2017, section 3) by bilinear samples and their mean.

    Args:
        input: (B, C, H, W) feature maps.
        rois: (N, 5) rows of image index, x1, y1, x2, y2 in pixels of the image.
        output: (N, C, aligned_height, aligned_width), is written.
        argmax_y: Unused: for maximum pooling.
        argmax_x: Unused: for maximum pooling.
        aligned_height: Rows of the output.
        aligned_width: Columns of the output.
        spatial_scale: Size of the feature map over that of the image.
        sampling_ratio: Samples along each side of a bin; 0 for as many as it has pixels.
        pool_mode: 1 for the mean.
        aligned: Whether coordinates are shifted by half a pixel.

    Raises:
        NotImplementedError: For maximum pooling.
    """
    require_mean(pool_mode)
    output.copy_(
        torchvision.ops.roi_align(
            at_least_float(input),
            at_least_float(rois),
            (aligned_height, aligned_width),
            spatial_scale,
            sampling_ratio,
            aligned,
        )
    )


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    *,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Writes into `grad_input` (B, C, H, W) what RoIAlign hands back of `grad_output`.

    RoIAlign is linear in its input, so that its gradient is the same at zero.
    """
    require_mean(pool_mode)
    zero = torch.zeros_like(at_least_float(grad_input), requires_grad=True)
    with torch.enable_grad():
        output = torchvision.ops.roi_align(
            zero,
            at_least_float(rois),
            (aligned_height, aligned_width),
            spatial_scale,
            sampling_ratio,
            aligned,
        )
    (gradient,) = torch.autograd.grad(output, zero, grad_output.to(output.dtype))
    grad_input.copy_(gradient)


def require_mean(pool_mode: int) -> None:
    """Raises NotImplementedError for the maximum."""
    if pool_mode != 1:
        raise NotImplementedError(
            "RoIAlign with pool_mode='max' has no stand-in and mmcv is installed without compiled "
            "operators: set pool_mode='avg' in roi_layer, or install a compiled mmcv."
        )


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, *, gamma: float, alpha: float
) -> None:
    """Focal loss of independent classes (Lin et al. 2017, eq. 5).

    Args:
        input: (N, C) logits.
        target: (N,) class index; C is background.
        weight: (C,) weight by the row's class, or empty.
        output: (N, C), is written.
        gamma: Exponent of the modulating factor.
        alpha: Weight of the positives; negatives have 1 - alpha.
    """
    logits = at_least_float(input)
    p = logits.sigmoid()
    loss = torch.where(
        is_target(input, target),
        -alpha * (1 - p) ** gamma * log(p),
        (alpha - 1) * p**gamma * log(1 - p),
    )
    output.copy_(loss * row_weight(weight, target))


def sigmoid_focal_loss_backward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    grad_input: Tensor,
    *,
    gamma: float,
    alpha: float,
) -> None:
    """Writes the derivative of `sigmoid_focal_loss_forward` by the logits into `grad_input`."""
    p = at_least_float(input).sigmoid()
    gradient = torch.where(
        is_target(input, target),
        -alpha * (1 - p) ** gamma * (1 - p - gamma * p * log(p)),
        (alpha - 1) * p**gamma * (gamma * (1 - p) * log(1 - p) - p),
    )
    grad_input.copy_(gradient * row_weight(weight, target))


def is_target(input: Tensor, target: Tensor) -> Tensor:
    """(N, C): whether a column is its row's class."""
    return target[:, None] == torch.arange(input.shape[1], device=target.device)


def row_weight(weight: Tensor, target: Tensor) -> Tensor | float:
    """(N, 1): the weight of each row's class, 1 for the background or without weights."""
    if not weight.numel():
        return 1.0
    return torch.cat([at_least_float(weight), weight.new_ones(1)])[target][:, None]


def log(p: Tensor) -> Tensor:
    """The logarithm, finite at 0 as in mmcv."""
    return p.clamp(min=torch.finfo(torch.float32).tiny).log()


def at_least_float(tensor: Tensor) -> Tensor:
    """The tensor in float32 if its type is a smaller one."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
