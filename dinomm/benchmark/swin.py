"""EsViT's Swin-T with dinomm's window attention against mmpretrain's own, on the same weights."""

import copy
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dinomm.host_memory import keep_freed_memory
from dinomm.launch import read_config
from dinomm.models.backbones import speed_up
from dinomm.registry import MODELS

MODEL_CONFIGS = Path(__file__).parents[2] / 'configs/_base_/models'
CROPS = {'2x224': (2, 224), '8x96': (8, 96)}
EQUAL_LOSS, EQUAL_GRADIENT = 1e-5, 1e-4  # relative, float32: see check_equal


class SwinSize(NamedTuple):
    """What is measured.

    Attributes:
        window: 7 or 14.
        batch: Images; each has two crops of 224 px and eight of 96.
        threads: Of torch.
        rounds: Measurements of each network, in turns.
    """

    window: int = 7
    batch: int = 1
    threads: int = 2
    rounds: int = 7


def compare_attention(size: SwinSize, show: Callable[[str], None]) -> dict:
    """Times forward and backward by size of crop, after a look at the equality.

    Returns:
        Medians in seconds, and the ratios of the rounds' pairs, as plain numbers.

    Raises:
        RuntimeError: Losses or gradients differ.
    """
    keep_freed_memory()
    torch.set_num_threads(size.threads)
    networks = build_networks(size.window)
    crops = {
        name: torch.randn(count * size.batch, 3, side, side)
        for name, (count, side) in CROPS.items()
    }
    errors = {}
    for name, images in crops.items():
        errors[name] = check_equal(networks['dinomm'], networks['mmpretrain'], images)
        show(f'{name}: loss differs by {errors[name][0]:.1e}, gradients by {errors[name][1]:.1e}')
    seconds: dict[str, dict[str, list[float]]] = {
        name: {network: [] for network in networks} for name in crops
    }
    for _ in range(size.rounds):
        for name, images in crops.items():
            for network, backbone in networks.items():
                seconds[name][network].append(time_step(backbone, images))
    seconds['together'] = {
        network: [sum(seconds[name][network][i] for name in crops) for i in range(size.rounds)]
        for network in networks
    }
    return {
        'size': size._asdict(),
        'errors': errors,
        'forward_and_backward': {name: summarize(name, t, show) for name, t in seconds.items()},
    }


def build_networks(window: int) -> dict[str, nn.Module]:
    """The shipped Swin-T twice, without drop path, whose draws would differ."""
    torch.manual_seed(0)
    config = read_config(str(MODEL_CONFIGS / f'esvit_swin-tiny-w{window}.py'))
    plain = MODELS.build({**config.model.backbone, 'drop_path_rate': 0.0})
    for parameter in plain.parameters():
        if parameter.ndim > 1:
            nn.init.trunc_normal_(parameter, std=0.02)
    return {'dinomm': speed_up(copy.deepcopy(plain)), 'mmpretrain': plain}


def loss_of(backbone: nn.Module, images: Tensor) -> Tensor:
    """A number with a gradient for every feature."""
    features = backbone(images)[-1]
    weights = torch.linspace(-1, 1, features[0].numel()).view(features[0].shape)
    return (features * weights).square().mean()


def check_equal(ours: nn.Module, theirs: nn.Module, images: Tensor) -> tuple[float, float]:
    """Relative differences of the losses, and of the gradients, largest over all parameters.

    Gradients relative to the largest entry of their tensor. That of the bias table is a sum over
    all windows in which much cancels: in float32 either network is 1e-5 from float64's.

    Raises:
        RuntimeError: They are too large for rounding.
    """
    losses, gradients = [], []
    for backbone in (ours, theirs):
        backbone.zero_grad()
        loss = loss_of(backbone, images)
        loss.backward()
        losses.append(loss.item())
        gradients.append([parameter.grad for parameter in backbone.parameters()])
    loss_error = abs(losses[0] / losses[1] - 1)
    gradient_error = max(
        float((a - b).abs().max() / b.abs().max()) for a, b in zip(*gradients, strict=True)
    )
    if not (loss_error < EQUAL_LOSS and gradient_error < EQUAL_GRADIENT):
        raise RuntimeError(
            f'the networks differ, nothing was timed: losses by {loss_error:.1e}, gradients by '
            f'{gradient_error:.1e}'
        )
    return loss_error, gradient_error


def time_step(backbone: nn.Module, images: Tensor) -> float:
    """Seconds of a forward and a backward pass."""
    backbone.zero_grad()
    start = time.perf_counter()
    loss_of(backbone, images).backward()
    return time.perf_counter() - start


def summarize(name: str, seconds: dict[str, list[float]], show: Callable[[str], None]) -> dict:
    """Shows and returns medians and ratios."""
    ratios = [theirs / ours for ours, theirs in zip(*seconds.values(), strict=True)]
    medians = {network: statistics.median(times) for network, times in seconds.items()}
    ratio = statistics.median(ratios)
    show(
        f'{name}: dinomm {medians["dinomm"]:.3f} s, mmpretrain {medians["mmpretrain"]:.3f} s, '
        f'{ratio:.2f} times as fast (rounds {" ".join(f"{r:.2f}" for r in ratios)})'
    )
    return {'seconds': medians, 'ratio': ratio, 'ratios': ratios}
