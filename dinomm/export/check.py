"""Exported files against PyTorch: numbers and speed."""

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from dinomm.evaluation.network import FrozenNetwork
from dinomm.models.tokens import encode

from .capture import Form
from .formats import open_file

SEED = 0
WARM_UP = 2
TOLERANCE = {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}
"""Largest difference that rounding may make, relative to the largest feature."""

Run = Callable[[Tensor], dict[str, Tensor]]


class Comparison(NamedTuple):
    """A file against the network that it was made of.

    Attributes:
        differences: Largest by number of images, relative to the largest feature; nan or inf
            where the file gives such.
        speed: How many times as fast as PyTorch in float32 it is here; nan if not measured.
    """

    differences: dict[int, float]
    speed: float

    def require(self, tolerance: float, name: str) -> None:
        """Raises ValueError if a difference is above the tolerance, or nan."""
        for batch, difference in self.differences.items():
            if not difference <= tolerance:
                raise ValueError(
                    f'{name} was not written: in a batch of {batch} it differs from PyTorch by '
                    f'{difference:.1e} of the largest feature, {tolerance:g} is allowed '
                    '(--tolerance)'
                )


@torch.no_grad()
def compare(
    network: FrozenNetwork, form: Form, path: Path, batches: Sequence[int], rounds: int = 5
) -> Comparison:
    """Runs a file and the network in float32 on the same images of random grey levels.

    Args:
        network: On the CPU, in evaluation mode.
        form: Of the file.
        path: The file.
        batches: Numbers of images to compare; speed is measured with the last. None, and the file
            is not even opened.
        rounds: Of measurements, of both in turns.
    """
    if not batches:
        return Comparison({}, float('nan'))
    run = open_file(path)

    def expected(images: Tensor) -> dict[str, Tensor]:
        tokens = encode(network.backbone, images, 'regions' in form.outputs)
        features = {'view': tokens.view, 'regions': tokens.region}
        return {name: features[name] for name in form.outputs}

    differences = {}
    for batch in batches:
        levels, images = random_images(network, form, batch)
        actual = run(levels if form.uint8 else images)
        differences[batch] = largest_difference(actual, expected(images))
    given = levels if form.uint8 else images
    return Comparison(
        differences, speed_ratio(lambda: run(given), lambda: expected(images), rounds)
    )


def random_images(network: FrozenNetwork, form: Form, batch: int) -> tuple[Tensor, Tensor]:
    """Grey levels (uint8), and the same normalised by the network's preprocessor."""
    source = torch.Generator().manual_seed(SEED + batch)
    levels = torch.randint(256, (batch, 3, *form.size), generator=source, dtype=torch.uint8)
    group = network.data_preprocessor({'inputs': [levels]})['inputs'][0]
    return levels, group.images


def largest_difference(actual: dict[str, Tensor], expected: dict[str, Tensor]) -> float:
    """Of any output, relative to its largest entry; infinite where names or shapes differ."""
    if {n: t.shape for n, t in actual.items()} != {n: t.shape for n, t in expected.items()}:
        return float('inf')
    differences = [
        (actual[name] - expected[name]).abs().max() / expected[name].abs().max().clamp(min=1e-12)
        for name in expected
    ]
    return float(torch.stack(differences).max())  # nan wins


def speed_ratio(run: Callable[[], object], reference: Callable[[], object], rounds: int) -> float:
    """Median of the rounds' ratios, the two in turns, after some of each."""
    ratios = []
    for _ in range(WARM_UP + rounds):
        ours, theirs = seconds(run), seconds(reference)
        ratios.append(theirs / ours)
    return statistics.median(ratios[WARM_UP:])


def seconds(function: Callable[[], object]) -> float:
    """Of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
