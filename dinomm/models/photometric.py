"""Colour operations and blur over a batch, as ``dinomm.datasets.transforms.photometric`` does them.

Images differ in their operations, the order and the factors. The host knows all of them and plans
passes over some of the images each: nothing is read back from the device, and the number of kernels
does not grow with the batch.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from dinomm.datasets.transforms.photometric import blur_kernel
from dinomm.datasets.transforms.raw_view import OPERATIONS

CHUNK = 2**23
"""Pixels that are worked on at once; a pass needs several times their 12 bytes for a while."""

_RED, _GREEN, _BLUE = 0.299, 0.587, 0.114  # shares of the luma
_ROUNDING_ERROR = 1 / 1024  # must not take a level from what is truncated


def recolor_batch(images: Tensor, steps: np.ndarray) -> None:
    """Applies to each image its operations in their order, in place.

    In float32 whatever autocast says; each operation truncates or rounds to whole levels as
    Pillow's does.

    Args:
        images: (N, 3, H, W) float32, whole grey levels of 0 to 255.
        steps: (N, P), see :func:`~dinomm.datasets.transforms.raw_view.pack_steps`.
    """
    length = max(1, CHUNK // images.shape[-2:].numel())
    with torch.autocast(images.device.type, enabled=False):
        for start in range(0, len(images), length):
            _recolor_chunk(images[start : start + length], steps[start : start + length])


def _recolor_chunk(images: Tensor, steps: np.ndarray) -> None:
    passes = list(plan_passes(steps))
    rows = _upload([each.rows for each in passes], images.device)
    parameters = _upload([each.parameters for each in passes], images.device)
    for (kind, *_), some, values in zip(passes, rows, parameters, strict=True):
        images.index_copy_(0, some, kind.apply(images[some], values))


def _upload(arrays: Sequence[np.ndarray], device: torch.device) -> list[Tensor]:
    """All in one copy, for which the host does not wait."""
    if not arrays:
        return []
    joined = torch.from_numpy(np.concatenate([array.ravel() for array in arrays]))
    if device.type == 'cuda':
        joined = joined.pin_memory()
    parts = joined.to(device, non_blocking=True).split([array.size for array in arrays])
    return [part.view(array.shape) for part, array in zip(parts, arrays, strict=True)]


# ---- operations: images (n, 3, H, W), which may be written to, and parameters (n, K)


def blend(images: Tensor, weights: Tensor) -> Tensor:
    """Weights (n, 3): of the channel itself, of the pixel's luma and of the image's mean luma."""
    own, luma, mean = weights[..., None, None, None].unbind(1)
    red, green, blue = images.unbind(1)
    y = _rounded((_RED * red).add_(green, alpha=_GREEN).add_(blue, alpha=_BLUE))[:, None]
    offset = mean * _rounded(y.mean((2, 3), keepdim=True)) + _ROUNDING_ERROR
    return images.mul_(own).add_(y * luma).add_(offset).floor_().clamp_(0, 255)


def adjust_hue(images: Tensor, shifts: Tensor) -> Tensor:
    """Shifts (n, 1): in Pillow's hues, whole numbers of 0 to 255 that wrap at 256."""
    red, green, blue = images.unbind(1)
    value = images.amax(1)
    chroma = value - images.amin(1)
    sixths = torch.where(
        value == red,
        green - blue,
        torch.where(value == green, blue - red + 2 * chroma, red - green + 4 * chroma),
    ).div_(chroma.clamp(min=1))
    hue = sixths.mul_(255 / 6).remainder_(255).floor_()
    hue = hue.add_(shifts[..., None]).remainder_(256).mul_(6 / 255)
    saturation = (255 * chroma).div_(value.clamp(min=1)).floor_().div_(255)
    # a channel is value - saturation * value * c(hue), c in [0, 1]
    places = torch.arange(5, 0, -2, device=images.device).view(3, 1, 1)
    distance = (hue[:, None] + places).remainder_(6)
    absence = torch.minimum(distance, 4 - distance).clamp_(0, 1)
    return _rounded(value[:, None] - absence.mul_((saturation * value)[:, None]))


def gaussian_blur(images: Tensor, kernels: Tensor) -> Tensor:
    """Kernels (n, K), K odd: the same for both axes; the border is replicated."""
    num, channels, height, width = images.shape
    margin = kernels.shape[1] // 2
    weights = kernels.repeat_interleave(channels, 0)[:, None, None]
    planes = images.reshape(1, num * channels, height, width)
    for margins, kernel in (
        ((margin, margin, 0, 0), weights),
        ((0, 0, margin, margin), weights.mT),
    ):
        planes = conv2d(pad(planes, margins, mode='replicate'), kernel, groups=num * channels)
    return _rounded(planes.view_as(images))


def solarize(images: Tensor, thresholds: Tensor) -> Tensor:
    """Inverts values of at least the threshold (n, 1)."""
    return torch.where(images < thresholds[..., None, None], images, 255 - images)


def _rounded(values: Tensor) -> Tensor:
    """Half up, in place."""
    return values.add_(0.5).floor_()


# ---- parameters: of each operation's number (its place in OPERATIONS) and value

_WEIGHTS = {  # constant part and slope in the factor
    'brightness': ((0, 0, 0), (1, 0, 0)),
    'contrast': ((0, 0, 1), (1, 0, -1)),
    'saturation': ((0, 1, 0), (1, -1, 0)),
    'gray': ((0, 1, 0), (0, 0, 0)),
}
_CONSTANTS, _SLOPES = np.array(
    [_WEIGHTS.get(name, [(0, 0, 0)] * 2) for name in OPERATIONS]
).swapaxes(0, 1)


def _blend_weights(numbers: np.ndarray, factors: np.ndarray) -> np.ndarray:
    return _CONSTANTS[numbers] + _SLOPES[numbers] * factors[:, None]


def _hue_shifts(_: np.ndarray, turns: np.ndarray) -> np.ndarray:
    return np.trunc(255 * turns[:, None]) % 256


def _blur_kernels(_: np.ndarray, radii: np.ndarray) -> np.ndarray:
    kernels = [blur_kernel(radius) for radius in radii.round(3).tolist()]
    length = max(map(len, kernels))
    padded = np.zeros((len(kernels), length))
    for row, kernel in zip(padded, kernels, strict=True):
        margin = (length - len(kernel)) // 2
        row[margin : length - margin] = kernel
    return padded


def _thresholds(_: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    return thresholds[:, None]


# ---- plan


class Kind(NamedTuple):
    """Operations that one pass does together.

    Attributes:
        operations: Their names.
        parameters: Numbers and values (n,) of the operations to (n, K).
        apply: Images and parameters to the result.
    """

    operations: tuple[str, ...]
    parameters: Callable[[np.ndarray, np.ndarray], np.ndarray]
    apply: Callable[[Tensor, Tensor], Tensor]


KINDS = (
    Kind(tuple(_WEIGHTS), _blend_weights, blend),
    Kind(('hue',), _hue_shifts, adjust_hue),
    Kind(('blur',), _blur_kernels, gaussian_blur),
    Kind(('solarize',), _thresholds, solarize),
)
_KIND_OF = np.array(
    [next(i for i, kind in enumerate(KINDS) if name in kind.operations) for name in OPERATIONS]
    + [len(KINDS)]  # of END
)


class Pass(NamedTuple):
    """A kind for the images ``rows`` (n,), int64, with ``parameters`` (n, K), float32."""

    kind: Kind
    rows: np.ndarray
    parameters: np.ndarray


def plan_passes(steps: np.ndarray) -> Iterator[Pass]:
    """Passes that take every image through its steps in order.

    One of a kind comes when no image waits for an earlier of :data:`KINDS`. So hue, blur and
    solarization are one pass each in DINO's chains, wherever in the jitter the hue stands.
    """
    images = np.arange(len(steps))
    position = np.zeros_like(images)
    while True:
        waiting = steps[images, position]
        kinds = _KIND_OF[waiting['operation']]
        first = kinds.min(initial=len(KINDS))
        if first == len(KINDS):
            return
        rows = np.flatnonzero(kinds == first)
        kind, chosen = KINDS[first], waiting[rows]
        parameters = kind.parameters(chosen['operation'], chosen['value'])
        yield Pass(kind, rows, parameters.astype(np.float32))
        position[rows] += 1
