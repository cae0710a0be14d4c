"""DINOv2's training step, against the same step without what makes it cheap."""

import json
import statistics
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from .step import LR, MAX_NORM, WIDTHS, show_phases
from .stepping import measure_in_process, model_step, random_views, time_steps

ARCHITECTURES = {
    'vit-tiny': 'deit-tiny',
    'vit-small': 'dinov2-small',
    'vit-base': 'dinov2-base',
}
KINDS = {
    'dinomm': {},
    'no packing': {'pack': False},
    'all patches': {'masked_only': False},
    'no skipping': {'skip_dropped': False},
    'none of it': {'pack': False, 'masked_only': False, 'skip_dropped': False},
}


class DINOv2StepSize(NamedTuple):
    """What one step computes."""

    backbone: str = 'vit-small'
    num_prototypes: int = 65536
    batch: int = 4
    num_local: int = 8
    drop_path: float = 0.3
    threads: int = 2


def compare_dinov2_steps(
    size: DINOv2StepSize, rounds: int, steps: int, show: Callable[[str], None]
) -> dict:
    """Measures the step whole, without each of its parts, and without all, in turns.

    The parts: packing of all view sizes into one pass, projection of the masked patches alone,
    and stochastic depth that computes the kept samples alone.

    Args:
        size: The work of a step.
        rounds: How often each is measured, in a process of its own.
        steps: Timed steps of a measurement, after one that is not timed.
        show: Takes each line of the report.

    Returns:
        Medians and ratios as plain numbers.
    """
    runs: dict[str, list[dict]] = {kind: [] for kind in KINDS}
    for round_ in range(rounds):
        for kind, measured in runs.items():
            request = {'kind': kind, 'size': size._asdict(), 'steps': steps}
            measured.append(measure_in_process('dinomm.benchmark.dinov2_step', request))
            last = measured[-1]
            losses = ' '.join(f'{loss:.4f}' for loss in last['losses'])
            show(
                f'round {round_ + 1} {kind:<11} {last["seconds"]:.2f} s a step, '
                f'peak {last["peak_gib"]:.2f} GiB, losses {losses}'
            )
    figures: dict[str, Any] = {'size': size._asdict()}
    for kind, measured in runs.items():
        ratios = [
            other['seconds'] / whole['seconds']
            for other, whole in zip(measured, runs['dinomm'], strict=True)
        ]
        figures[kind] = {
            'seconds': statistics.median(run['seconds'] for run in measured),
            'peak_gib': statistics.median(run['peak_gib'] for run in measured),
            'times_as_long': statistics.median(ratios),
            'ratios': ratios,
        }
        show(
            f'median   {kind:<11} {figures[kind]["seconds"]:.2f} s, '
            f'{figures[kind]["peak_gib"]:.2f} GiB, '
            f'{figures[kind]["times_as_long"]:.2f} times as long as dinomm'
        )
    phases = runs['dinomm'][-1]['phases']
    show("where dinomm's time goes:")
    show_phases(phases, show)
    return figures | {'phases': phases}


def measure(kind: str, size: DINOv2StepSize, steps: int) -> dict:
    """Times ``steps`` steps of a kind in this process, after one more."""
    import torch

    torch.set_num_threads(size.threads)
    views = random_views(size.batch, [224] * 2 + [98] * size.num_local)
    torch.manual_seed(0)
    model = build_model(size, **KINDS[kind])
    return time_steps(*model_step(model, views, LR, MAX_NORM), steps)


def build_model(
    size: DINOv2StepSize, pack: bool = True, masked_only: bool = True, skip_dropped: bool = True
) -> Any:
    """DINOv2's objectives: views and masked patches in tied heads, KoLeo; mean centering."""
    import dinomm.models  # noqa: F401
    from dinomm.registry import MODELS

    from .plain_patches import AllPatchesHead

    head = {'in_channels': WIDTHS[size.backbone], 'num_prototypes': size.num_prototypes}
    patch = 'dinomm.MaskedPatchHead' if masked_only else AllPatchesHead
    return MODELS.build(
        {
            'type': 'dinomm.SelfDistillation',
            'backbone': {
                'type': 'dinomm.DINOVisionTransformer',
                'arch': ARCHITECTURES[size.backbone],
                'patch_size': 14,
                'layer_scale_init_value': 1e-5,
                'mask_token': True,
                'drop_path_rate': size.drop_path,
                'drop_path_uniform': True,
                'pack': pack,
                'skip_dropped': skip_dropped,
            },
            'masking': {'type': 'dinomm.PatchMasking'},
            'heads': {
                'view': {'type': 'dinomm.DINOHead', **head},
                'patch': {'type': patch, **head, 'tied_to': 'view'},
                'koleo': {'type': 'dinomm.KoLeoHead'},
            },
        }
    )


if __name__ == '__main__':
    asked = json.loads(sys.argv[1])
    print(json.dumps(measure(asked['kind'], DINOv2StepSize(**asked['size']), asked['steps'])))
