"""The training step: seconds, peak memory, and where the time goes."""

import json
import statistics
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from .stepping import Step, measure_in_process, model_step, random_views, time_steps

ARCHITECTURES = {'vit-tiny': 'deit-tiny', 'vit-small': 'deit-small', 'vit-base': 'deit-base'}
WIDTHS = {'vit-tiny': 192, 'vit-small': 384, 'vit-base': 768}
HIDDEN, BOTTLENECK, LR, MAX_NORM = 2048, 256, 5e-4, 3.0


class StepSize(NamedTuple):
    """What one step computes."""

    backbone: str = 'vit-small'
    num_prototypes: int = 65536
    batch: int = 4
    num_local: int = 8
    threads: int = 2


def compare_steps(size: StepSize, rounds: int, steps: int, show: Callable[[str], None]) -> dict:
    """Measures dinomm's step and the plain one in turns, each in a process of its own.

    Args:
        size: The work of a step.
        rounds: How often each is measured.
        steps: Timed steps of a measurement, after one that is not timed.
        show: Takes each line of the report.

    Returns:
        Medians and ratios as plain numbers.
    """
    runs: dict[str, list[dict]] = {'dinomm': [], 'plain': []}
    for round_ in range(rounds):
        for kind, measured in runs.items():
            request = {'kind': kind, 'size': size._asdict(), 'steps': steps}
            measured.append(measure_in_process('dinomm.benchmark.step', request))
            last = measured[-1]
            show(
                f'round {round_ + 1} {kind:<7} {last["seconds"]:.2f} s a step, '
                f'peak {last["peak_gib"]:.2f} GiB, losses {_short(last["losses"])}'
            )
    seconds = {k: statistics.median(r['seconds'] for r in v) for k, v in runs.items()}
    peak = {k: statistics.median(r['peak_gib'] for r in v) for k, v in runs.items()}
    ratios = [p['seconds'] / d['seconds'] for d, p in zip(*runs.values(), strict=True)]
    show(f'median   dinomm {seconds["dinomm"]:.2f} s, {peak["dinomm"]:.2f} GiB')
    show(f'median   plain  {seconds["plain"]:.2f} s, {peak["plain"]:.2f} GiB')
    speed = statistics.median(ratios)
    memory = peak['dinomm'] / peak['plain']
    show(f'dinomm is {speed:.2f} times as fast, with {memory:.2f} of the memory')
    phases = runs['dinomm'][-1]['phases']
    show("where dinomm's time goes:")
    show_phases(phases, show)
    return {
        'size': size._asdict(),
        'seconds': seconds,
        'peak_gib': peak,
        'speed_ratio': speed,
        'speed_ratios': ratios,
        'phases': phases,
    }


def show_phases(phases: dict[str, float], show: Callable[[str], None]) -> None:
    """The largest first."""
    for name, share in sorted(phases.items(), key=lambda item: -item[1]):
        show(f'  {name:<28} {100 * share:5.1f} %')


def _short(losses: list[float]) -> str:
    return ' '.join(f'{loss:.4f}' for loss in losses)


def measure(kind: str, size: StepSize, steps: int) -> dict:
    """Times ``steps`` steps of 'dinomm' or 'plain' in this process, after one more."""
    import torch

    torch.set_num_threads(size.threads)
    views = random_views(size.batch, [224] * 2 + [96] * size.num_local)
    torch.manual_seed(0)
    model = build_model(size)
    if kind == 'dinomm':
        return time_steps(*model_step(model, views, LR, MAX_NORM), steps)
    return time_steps(_plain_step(size, model, views), {}, steps)


def build_model(size: StepSize) -> Any:
    """DINO with the published head."""
    import dinomm.models  # noqa: F401
    from dinomm.registry import MODELS

    return MODELS.build(
        {
            'type': 'dinomm.SelfDistillation',
            'backbone': {
                'type': 'dinomm.DINOVisionTransformer',
                'arch': ARCHITECTURES[size.backbone],
                'patch_size': 16,
            },
            'heads': {
                'view': {
                    'type': 'dinomm.DINOHead',
                    'in_channels': WIDTHS[size.backbone],
                    'hidden_channels': HIDDEN,
                    'bottleneck_channels': BOTTLENECK,
                    'num_prototypes': size.num_prototypes,
                }
            },
        }
    )


def _plain_step(size: StepSize, model: Any, views: list) -> Step:
    import torch

    from .plain_dino import PlainDINO, PlainHead, PlainStep

    head = PlainHead(WIDTHS[size.backbone], HIDDEN, BOTTLENECK, size.num_prototypes)
    ours = model.heads['view']
    head.mlp.load_state_dict(ours.projector.state_dict())
    head.last_layer.parametrizations.weight.original1.data.copy_(ours.prototypes.weight_v.data)
    train = PlainStep(PlainDINO(model.backbone, head), size.num_prototypes, LR, MAX_NORM)
    mean, std = model.data_preprocessor.mean, model.data_preprocessor.std

    def step() -> float:
        groups = [(torch.cat(group).float() - mean) / std for group in (views[:2], views[2:])]
        return train([group for group in groups if len(group)], len(views))

    return step


if __name__ == '__main__':
    asked = json.loads(sys.argv[1])
    print(json.dumps(measure(asked['kind'], StepSize(**asked['size']), asked['steps'])))
