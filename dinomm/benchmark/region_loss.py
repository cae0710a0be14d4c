"""The region loss: seconds and memory above the weights, against the same as its equation reads."""

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

STUDENT_TEMP, TEACHER_TEMP = 0.1, 0.04
BOTTLENECK = 256


class Geometry(NamedTuple):
    """What a backbone gives of an image: 2 global and 8 local views."""

    stages: str
    global_regions: int
    local_regions: int
    width: int

    def sizes(self) -> list[int]:
        """Regions of each view."""
        return [self.global_regions] * 2 + [self.local_regions] * 8


GEOMETRIES = {
    'swin-tiny': Geometry('multi-stage', 49, 9, 768),
    'vit-small-16': Geometry('single-stage', 196, 36, 384),
}
KINDS = ('dinomm', 'direct', 'products')


class LossSize(NamedTuple):
    """What is computed.

    Attributes:
        geometry: A key of ``GEOMETRIES``.
        batch: Images.
        num_prototypes: K.
        threads: Of torch.
    """

    geometry: str
    batch: int
    num_prototypes: int = 65536
    threads: int = 2


def compare_region_losses(
    batches: list[int],
    num_prototypes: int,
    threads: int,
    rounds: int,
    steps: int,
    show: Callable[[str], None],
) -> dict:
    """Measures dinomm's loss, the direct one and the bare matrix products in turns.

    From bottleneck rows to the loss, forward and backward; each in a process of its own, whose
    peak memory counts above the weights, their gradients, the rows and the features.

    Returns:
        Medians and ratios as plain numbers, by geometry and batch.

    Raises:
        ValueError: The losses or gradients differ by more than 1e-5: then nothing is timed.
    """
    figures: dict[str, dict] = {name: {} for name in GEOMETRIES}
    for name in GEOMETRIES:
        for batch in batches:
            size = LossSize(name, batch, num_prototypes, threads)
            figures[name][str(batch)] = _compare(size, rounds, steps, show)
    growth = _growth(figures, batches)
    for name, mib in growth.items():
        show(f'{name}: dinomm takes {mib:.1f} MiB more for each further image')
    return {
        'num_prototypes': num_prototypes,
        'threads': threads,
        'sizes': figures,
        'mib_an_image': growth,
        'single_to_multi_stage': _stage_costs(figures, batches, show),
    }


def _compare(size: LossSize, rounds: int, steps: int, show: Callable[[str], None]) -> dict:
    difference = _in_process('difference', size, 1)
    if max(difference.values()) > 1e-5:
        raise ValueError(f'dinomm and the direct implementation differ: {difference}')
    runs: dict[str, list[dict]] = {kind: [] for kind in KINDS}
    for _ in range(rounds):
        for kind in KINDS:
            runs[kind].append(_in_process(kind, size, steps))
    seconds = {k: statistics.median(run['seconds'] for run in v) for k, v in runs.items()}
    peak = {k: statistics.median(run['peak_mib'] for run in runs[k]) for k in KINDS[:2]}
    ratios = [
        direct['seconds'] / ours['seconds']
        for ours, direct in zip(runs['dinomm'], runs['direct'], strict=True)
    ]
    result = {
        'difference': difference,
        'seconds': seconds,
        'peak_mib': peak,
        'speed_ratio': statistics.median(ratios),
        'speed_ratios': ratios,
        'memory_ratio': peak['dinomm'] / peak['direct'],
        'to_products': seconds['dinomm'] / seconds['products'],
    }
    show(
        f'{size.geometry:<12} batch {size.batch}: dinomm {seconds["dinomm"]:.2f} s, '
        f'{peak["dinomm"]:.0f} MiB; direct {seconds["direct"]:.2f} s, {peak["direct"]:.0f} MiB: '
        f'{result["speed_ratio"]:.2f} times as fast with {result["memory_ratio"]:.3f} of the '
        f'memory; {result["to_products"]:.2f} of the matrix products alone; differences '
        + ', '.join(f'{name} {value:.0e}' for name, value in difference.items())
    )
    return result


def _growth(figures: dict, batches: list[int]) -> dict[str, float]:
    """MiB that dinomm takes for each image more."""
    first, last = str(batches[0]), str(batches[-1])
    if first == last:
        return {}
    return {
        name: (by_batch[last]['peak_mib']['dinomm'] - by_batch[first]['peak_mib']['dinomm'])
        / (batches[-1] - batches[0])
        for name, by_batch in figures.items()
    }


def _stage_costs(figures: dict, batches: list[int], show: Callable[[str], None]) -> dict:
    """The cost of a single-stage network's regions, in those of a multi-stage one's."""
    (multi, _), (single, _) = GEOMETRIES.items()
    costs = {}
    for batch in map(str, batches):
        pair = figures[single][batch], figures[multi][batch]
        costs[batch] = {
            kind: {key: pair[0][key][kind] / pair[1][key][kind] for key in ('seconds', 'peak_mib')}
            for kind in KINDS[:2]
        }
        shown = '; '.join(
            f'{kind} {cost["seconds"]:.1f} times the time, {cost["peak_mib"]:.1f} times the memory'
            for kind, cost in costs[batch].items()
        )
        show(f'batch {batch}, {single} (single-stage) against {multi} (multi-stage): {shown}')
    return costs


def _in_process(kind: str, size: LossSize, steps: int) -> dict:
    request = json.dumps({'kind': kind, 'size': size._asdict(), 'steps': steps})
    result = subprocess.run(
        [sys.executable, '-m', 'dinomm.benchmark.region_loss', request],
        capture_output=True,
        text=True,
    )
    if result.returncode:
        raise RuntimeError(f'measuring {kind} of {size} failed: {result.stderr[-800:]}')
    return json.loads(result.stdout.splitlines()[-1])


# ---- in the process that is measured


class Inputs:
    """Bottleneck rows, features and prototypes of both networks, image by image."""

    def __init__(self, size: LossSize):
        import torch
        from torch.nn.functional import normalize

        from dinomm.models import MeanCentering

        geometry = GEOMETRIES[size.geometry]
        self.sizes = geometry.sizes()
        self.batch = size.batch

        def random(*shape: int) -> torch.Tensor:
            return normalize(torch.randn(*shape), dim=-1)

        regions = sum(self.sizes), sum(self.sizes[:2])
        self.student, self.teacher = (random(size.batch, n, BOTTLENECK) for n in regions)
        self.features = [random(size.batch, n, geometry.width) for n in regions]
        self.prototypes, self.teacher_prototypes = (
            random(size.num_prototypes, BOTTLENECK) for _ in range(2)
        )
        self.leaves = self.student.requires_grad_(), self.prototypes.requires_grad_()
        self.centering = MeanCentering(size.num_prototypes)

    def targets(self, logits: Any) -> Any:
        """Target probabilities of teacher logits."""
        return self.centering.targets(logits, TEACHER_TEMP)

    def dinomm(self) -> Any:
        """dinomm's loss."""
        from dinomm.models.heads.region_matching import (
            best_matches,
            pair_weights,
            region_matching_loss,
        )

        return region_matching_loss(
            self.student,
            self.prototypes,
            self.teacher,
            self.teacher_prototypes,
            best_matches(self.features[0], self.features[1], self.sizes[:2]),
            pair_weights(self.sizes, 2),
            self.targets,
            STUDENT_TEMP,
        )

    def direct(self) -> Any:
        """The loss as its equation reads."""
        import torch

        from .plain_regions import plain_region_loss

        logits = self.student @ self.prototypes.T / STUDENT_TEMP
        with torch.no_grad():
            targets = self.targets(self.teacher @ self.teacher_prototypes.T)
        return plain_region_loss(
            logits.split(self.sizes, 1),
            targets.split(self.sizes[:2], 1),
            self.features[0].split(self.sizes, 1),
            self.features[1].split(self.sizes[:2], 1),
        )

    def products(self) -> None:
        """The products of matrices that both losses and their gradients need, alone."""
        import torch

        with torch.no_grad():
            for image in range(self.batch):
                self.teacher[image] @ self.teacher_prototypes.T
                logits = self.student[image] @ self.prototypes.T
                logits @ self.prototypes
                logits.T @ self.student[image]

    def step(self, kind: str) -> list[Any]:
        """Loss and gradients; the latter are not kept from step to step."""
        if kind == 'products':
            self.products()
            return []
        loss = getattr(self, kind)()
        loss.backward()
        gradients = [leaf.grad for leaf in self.leaves]
        for leaf in self.leaves:
            leaf.grad = None
        return [loss.detach(), *gradients]


def measure(kind: str, size: LossSize, steps: int) -> dict:
    """Times ``steps`` steps of a kind in this process, after one more; or compares both losses."""
    import torch

    from dinomm.host_memory import keep_freed_memory

    torch.set_num_threads(size.threads)
    torch.manual_seed(0)
    if kind != 'direct':
        keep_freed_memory()  # as dinomm.launch does
    inputs = Inputs(size)
    if kind == 'difference':
        ours, direct = inputs.step('dinomm'), inputs.step('direct')
        names = ('loss', 'rows', 'prototypes')
        return {
            name: float((a - b).abs().max() / b.abs().max())
            for name, a, b in zip(names, ours, direct, strict=True)
        }
    gradients = sum(leaf.numel() * leaf.element_size() for leaf in inputs.leaves)
    before = _resident_bytes()
    inputs.step(kind)
    durations = []
    for _ in range(steps):
        start = time.perf_counter()
        inputs.step(kind)
        durations.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        'seconds': statistics.median(durations),
        'peak_mib': (peak - before - gradients) / 2**20,
    }


def _resident_bytes() -> int:
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * resource.getpagesize()


if __name__ == '__main__':
    asked = json.loads(sys.argv[1])
    print(json.dumps(measure(asked['kind'], LossSize(**asked['size']), asked['steps'])))
