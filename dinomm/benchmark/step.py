"""The training step: seconds, peak memory, and where the time goes."""

import json
import resource
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

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
            measured.append(_measure_in_process(kind, size, steps))
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
    for name, share in sorted(phases.items(), key=lambda item: -item[1]):
        show(f'  {name:<28} {100 * share:5.1f} %')
    return {
        'size': size._asdict(),
        'seconds': seconds,
        'peak_gib': peak,
        'speed_ratio': speed,
        'speed_ratios': ratios,
        'phases': phases,
    }


def _short(losses: list[float]) -> str:
    return ' '.join(f'{loss:.4f}' for loss in losses)


def _measure_in_process(kind: str, size: StepSize, steps: int) -> dict:
    request = json.dumps({'kind': kind, 'size': size._asdict(), 'steps': steps})
    result = subprocess.run(
        [sys.executable, '-m', 'dinomm.benchmark.step', request],
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(result.stdout.splitlines()[-1])


def measure(kind: str, size: StepSize, steps: int) -> dict:
    """Times ``steps`` steps of 'dinomm' or 'plain' in this process, after one more."""
    import torch

    torch.set_num_threads(size.threads)
    torch.manual_seed(0)
    views = [torch.randint(0, 256, (size.batch, 3, 224, 224), dtype=torch.uint8) for _ in range(2)]
    views += [
        torch.randint(0, 256, (size.batch, 3, 96, 96), dtype=torch.uint8)
        for _ in range(size.num_local)
    ]
    step, phases = {'dinomm': _dinomm_step, 'plain': _plain_step}[kind](size, views)
    losses = [step()]
    phases.clear()
    start = time.perf_counter()
    losses += [step() for _ in range(steps)]
    seconds = (time.perf_counter() - start) / steps
    shares = {name: value / steps / seconds for name, value in phases.items()}
    if shares:
        shares['other'] = 1 - sum(shares.values())
    return {
        'seconds': seconds,
        'peak_gib': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        'losses': losses,
        'phases': shares,
    }


def _build_model(size: StepSize) -> Any:
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


def _dinomm_step(size: StepSize, views: list) -> tuple[Callable[[], float], dict]:
    from types import SimpleNamespace

    from dinomm.engine import TeacherEMAHook, TwoGroupConstructor
    from dinomm.host_memory import keep_freed_memory

    keep_freed_memory()  # as dinomm.launch does
    model = _build_model(size)
    wrapper = TwoGroupConstructor(
        {
            'optimizer': {'type': 'AdamW', 'lr': LR, 'weight_decay': 0.04, 'fused': True},
            'clip_grad': {'max_norm': MAX_NORM},
        }
    )(model)
    hook = TeacherEMAHook(momentum=0.996, end_momentum=0.996)
    runner = SimpleNamespace(model=model, optim_wrapper=wrapper, max_iters=10**6)
    hook.before_train(runner)
    phases: dict[str, float] = defaultdict(float)
    for owner, method, name in (
        (model.data_preprocessor, 'forward', 'normalisation'),
        (model.teacher, 'extract_feat', 'teacher backbone'),
        (model, 'extract_feat', 'student backbone, forward'),
        (model.heads['view'], 'project', 'student projector'),
        (model.heads['view'], 'loss', 'logits, loss, their gradient'),
        (wrapper, 'backward', 'backward'),
        (wrapper, '_prepare_gradients', 'clipping'),
        (wrapper.optimizer, 'step', 'optimizer'),
        (hook, 'after_train_iter', 'teacher update'),
    ):
        _time_calls(owner, method, name, phases)

    def step() -> float:
        logged = model.train_step({'inputs': views, 'data_samples': None}, wrapper)
        model.finish_step(wrapper.stepped)
        hook.after_train_iter(runner, 0)
        return logged['loss'].item()

    return step, phases


def _plain_step(size: StepSize, views: list) -> tuple[Callable[[], float], dict]:
    import torch

    from .plain_dino import PlainDINO, PlainHead, PlainStep

    model = _build_model(size)
    head = PlainHead(WIDTHS[size.backbone], HIDDEN, BOTTLENECK, size.num_prototypes)
    ours = model.heads['view']
    head.mlp.load_state_dict(ours.projector.state_dict())
    head.last_layer.parametrizations.weight.original1.data.copy_(ours.prototypes.weight_v.data)
    train = PlainStep(PlainDINO(model.backbone, head), size.num_prototypes, LR, MAX_NORM)
    mean, std = model.data_preprocessor.mean, model.data_preprocessor.std
    del model, ours

    def step() -> float:
        groups = [(torch.cat(group).float() - mean) / std for group in (views[:2], views[2:])]
        return train([group for group in groups if len(group)], len(views))

    return step, {}


def _time_calls(owner: Any, method: str, name: str, phases: dict[str, float]) -> None:
    original = getattr(owner, method)

    def timed(*args, **kwargs):
        with _timer(name, phases):
            return original(*args, **kwargs)

    object.__setattr__(owner, method, timed)


@contextmanager
def _timer(name: str, phases: dict[str, float]) -> Iterator[None]:
    start = time.perf_counter()
    try:
        yield
    finally:
        phases[name] += time.perf_counter() - start


if __name__ == '__main__':
    asked = json.loads(sys.argv[1])
    print(json.dumps(measure(asked['kind'], StepSize(**asked['size']), asked['steps'])))
