"""Window attention and patch merging of mmpretrain's Swin, faster: same parameters, same numbers.

Liu et al. 2021, arXiv:2103.14030, section 3.2.
"""

import math
from functools import lru_cache
from typing import NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks.transformer import PatchMerging
from mmpretrain.models.backbones import SwinTransformer
from mmpretrain.models.utils.attention import ShiftWindowMSA, WindowMSA
from torch import Tensor, nn

KEPT_LAYOUTS = 64  # a backbone has up to eight for each size of image

Module = TypeVar('Module', bound=nn.Module)


class WindowLayout(NamedTuple):
    """How a map of L tokens is padded, shifted and cut into windows of N places each.

    Attributes:
        windows: (windows * N,) the token that stands at each place, any where padding stands.
        padding: (P,) the places that hold padding.
        tokens: (L,) the place of each token.
        mask: (4, 1, N, N) for each kind of window: 0 where a place attends to another, -inf
            between parts that the cyclic shift made neighbours. None without a shift.
        kinds: (windows,) each window's kind: 0, at the right 1, at the bottom 2, in the corner 3.
        is_padded_window: Whether the whole map is one window with padding.
    """

    windows: Tensor
    padding: Tensor
    tokens: Tensor
    mask: Tensor | None
    kinds: Tensor
    is_padded_window: bool


def layout_of(attention: ShiftWindowMSA, hw_shape: tuple[int, int], device: torch.device):
    """The layout of a map (H, W), by mmpretrain's rules for padding and shift.

    Raises:
        ValueError: The map is smaller than the window and may not be padded.
    """
    window, smallest = attention.window_size, min(hw_shape)
    if smallest < window and not attention.pad_small_map:
        raise ValueError(
            f'a map of {hw_shape[0]}x{hw_shape[1]} tokens is smaller than the attention window of '
            f'{window}: set model.backbone.pad_small_map=True, or a smaller window_size'
        )
    is_shifted = smallest > window or attention.pad_small_map
    return window_layout(*hw_shape, window, attention.shift_size if is_shifted else 0, device)


@torch.compiler.assume_constant_result
def window_layout(
    height: int, width: int, window: int, shift: int, device: torch.device
) -> WindowLayout:
    """The layout of a map; those used last are kept."""
    return _window_layout(height, width, window, shift, device)


@lru_cache(KEPT_LAYOUTS)
def _window_layout(
    height: int, width: int, window: int, shift: int, device: torch.device
) -> WindowLayout:
    rows, columns = math.ceil(height / window), math.ceil(width / window)
    token = torch.full((rows * window, columns * window), -1)
    token[:height, :width] = torch.arange(height * width).view(height, width)
    windows = _cut(token.roll((-shift, -shift), (0, 1)), window).flatten()
    at_bottom = torch.arange(rows) == rows - 1
    at_right = torch.arange(columns) == columns - 1
    return WindowLayout(
        windows=windows.clamp(min=0).to(device),
        padding=(windows < 0).nonzero().flatten().to(device),
        tokens=windows.argsort()[-height * width :].to(device),
        mask=_shift_mask(window, shift, device) if shift else None,
        kinds=(2 * at_bottom[:, None] + at_right).flatten().to(device),
        is_padded_window=rows == columns == 1 and height * width < window**2,
    )


@lru_cache(KEPT_LAYOUTS)
def _shift_mask(window: int, shift: int, device: torch.device) -> Tensor:
    # mmpretrain's and the published -100 leaves probabilities of 4e-44: subnormal numbers, which
    # slow a CPU's matrix products down by an order of magnitude
    side = torch.arange(2 * window)
    part = (side >= window).int() + (side >= 2 * window - shift).int()
    part = _cut(3 * part[:, None] + part, window)
    apart = part[:, None, :, None] != part[:, None, None, :]
    return torch.zeros(apart.shape).masked_fill(apart, -math.inf).to(device)


def _cut(grid: Tensor, window: int) -> Tensor:
    """(h, w) -> (windows, window * window)."""
    cut = grid.unflatten(1, (-1, window)).unflatten(0, (-1, window))
    return cut.transpose(1, 2).reshape(-1, window**2)


class _ToWindows(torch.autograd.Function):
    """Tokens (B, L, C) to their places (B, windows * N, C); padding becomes ``fill`` (C,)."""

    @staticmethod
    def forward(ctx, tokens, fill, layout):
        ctx.layout = layout
        windows = tokens.index_select(1, layout.windows)
        if len(layout.padding):
            windows[:, layout.padding] = fill
        return windows

    @staticmethod
    def backward(ctx, grad):
        fill = grad.index_select(1, ctx.layout.padding).sum((0, 1))
        return grad.index_select(1, ctx.layout.tokens), fill, None


class _FromWindows(torch.autograd.Function):
    """Places (B, windows * N, C) back to tokens (B, L, C)."""

    @staticmethod
    def forward(ctx, windows, layout):
        ctx.layout = layout
        return windows.index_select(1, layout.tokens)

    @staticmethod
    def backward(ctx, grad):
        windows = grad.index_select(1, ctx.layout.windows)
        if len(ctx.layout.padding):
            windows[:, ctx.layout.padding] = 0
        return windows, None


def queries_keys_values(attention: WindowMSA, tokens: Tensor, layout: WindowLayout) -> Tensor:
    """(3, B, windows, heads, N, C / heads) of tokens (B, L, C).

    The first layer sees the map's tokens only: what it makes of padding, which is zero, is its
    bias.
    """
    qkv = attention.qkv(tokens)
    bias = attention.qkv.bias
    fill = qkv.new_zeros(qkv.shape[-1]) if bias is None else bias.to(qkv.dtype)
    places = _ToWindows.apply(qkv, fill, layout).unflatten(1, (len(layout.kinds), -1))
    return places.unflatten(-1, (3, attention.num_heads, -1)).permute(3, 0, 1, 4, 2, 5)


def attention_bias(attention: WindowMSA, layout: WindowLayout) -> Tensor:
    """Relative position bias and shift mask, (windows, heads, N, N); 1 window stands for all."""
    places = math.prod(attention.window_size)
    table = attention.relative_position_bias_table.t().contiguous()
    bias = table.index_select(1, attention.relative_position_index.flatten())
    bias = bias.view(1, -1, places, places)
    return bias if layout.mask is None else (bias + layout.mask).index_select(0, layout.kinds)


def _rounded(bias: Tensor, dtype: torch.dtype) -> Tensor:
    """In the queries' type, as the fused kernels want it; the largest of a row becomes 0.

    The softmax does not see what a whole row is raised by, and near 0 rounding costs least.
    """
    if dtype == bias.dtype:
        return bias
    return (bias - bias.detach().amax(-1, keepdim=True)).to(dtype)


class FastShiftWindowMSA(ShiftWindowMSA):
    """mmpretrain's ``ShiftWindowMSA`` by other means; :func:`speed_up` turns modules into it."""

    def forward(self, query: Tensor, hw_shape: tuple[int, int]) -> Tensor:
        """(B, H * W, C) to the same, for a map of ``hw_shape`` = (H, W)."""
        attention = self.w_msa
        layout = layout_of(self, hw_shape, query.device)
        bias = attention_bias(attention, layout).flatten(0, 1)[None]
        heads = queries_keys_values(attention, query, layout)
        # to four dimensions, as the fused kernels want it: those with the same bias are the batch
        heads = heads.flatten(1, 2) if layout.mask is None else heads.flatten(2, 3)
        queries, keys, values = heads.contiguous().unbind()
        if layout.is_padded_window:
            queries = queries.index_select(2, layout.tokens)
            bias = bias.index_select(2, layout.tokens)
        mixed = F.scaled_dot_product_attention(
            queries,
            keys,
            values,
            attn_mask=_rounded(bias, queries.dtype),
            dropout_p=attention.attn_drop.p if self.training else 0.0,
            scale=attention.scale,
        )
        mixed = mixed.unflatten(1, (-1, attention.num_heads)).transpose(2, 3)
        tokens = mixed.reshape(query.shape[0], -1, query.shape[-1])
        if not layout.is_padded_window:
            tokens = _FromWindows.apply(tokens, layout)
        return self.drop(attention.proj_drop(attention.proj(tokens)))


class FastPatchMerging(PatchMerging):
    """mmcv's 2x2 ``PatchMerging`` by reshaping; :func:`speed_up` turns modules into it."""

    def forward(self, x: Tensor, input_size: tuple[int, int]) -> tuple[Tensor, tuple[int, int]]:
        """(B, H * W, C) to (B, h * w, C') and (h, w); an odd side is padded at its end."""
        height, width = input_size
        grid = F.pad(x.unflatten(1, (height, width)), (0, 0, 0, width % 2, 0, height % 2))
        cells = grid.unflatten(2, (-1, 2)).unflatten(1, (-1, 2))  # (B, h, 2, w, 2, C)
        merged = cells.permute(0, 1, 3, 5, 2, 4).reshape(x.shape[0], -1, self.reduction.in_features)
        if self.norm is not None:
            merged = self.norm(merged)
        return self.reduction(merged), (cells.shape[1], cells.shape[3])


def speed_up(backbone: Module) -> Module:
    """Makes the window attention and the patch merging of ``backbone`` fast, in place.

    Parameters, buffers, their names and the numbers stay; only the modules' class changes, so a
    copy or a pickle of the backbone stays fast. Modules of other kinds (subclasses, WindowMSAV2,
    another ``window_msa``) stay as they are.

    Returns:
        ``backbone``.
    """
    for module in backbone.modules():
        if type(module) is ShiftWindowMSA and type(module.w_msa) is WindowMSA:
            module.__class__ = FastShiftWindowMSA
        elif type(module) is PatchMerging and _merges_2x2(module):
            module.__class__ = FastPatchMerging
    return backbone


def _merges_2x2(module: PatchMerging) -> bool:
    sampler = module.sampler
    settings = (sampler.kernel_size, sampler.stride, sampler.dilation, sampler.padding)
    at_end = getattr(module.adaptive_padding, 'padding', None) == 'corner'
    return settings == ((2, 2), (2, 2), (1, 1), (0, 0)) and at_end


def last_attention(backbone: SwinTransformer, images: Tensor) -> Tensor:
    """Attention of a Swin's last block after the softmax, (N * windows, heads, places, places).

    Windows come image by image, row-major; the places of a window too. Places that are padding
    attend and are attended to, as in the network.
    """
    return last_windows(backbone, images)[0].flatten(0, 1)


@torch.no_grad()
def last_windows(
    backbone: SwinTransformer, images: Tensor
) -> tuple[Tensor, WindowLayout, tuple[int, int]]:
    """As :func:`last_attention`, with the windows' layout and the grid (h, w) of the map.

    Returns:
        (N, windows, heads, places, places), the layout and the grid.
    """
    attention = backbone.stages[-1].blocks[-1].attn
    seen: list[tuple[Tensor, tuple[int, int]]] = []
    hook = attention.register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    try:
        backbone(images)
    finally:
        hook.remove()
    tokens, hw_shape = seen[0]
    layout = layout_of(attention, hw_shape, tokens.device)
    queries, keys, _ = queries_keys_values(attention.w_msa, tokens, layout).float()
    scores = queries @ keys.mT * attention.w_msa.scale
    probabilities = (scores + attention_bias(attention.w_msa, layout).float()).softmax(-1)
    return probabilities, layout, (hw_shape[0], hw_shape[1])
