"""What benchmarks of a training step share: the step, its phases, a process of its own."""

import json
import resource
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

Step = Callable[[], float]
"""Trains a step and gives its loss."""


def measure_in_process(module: str, request: dict) -> dict:
    """Runs ``python -m module REQUEST``, which prints figures as JSON on its last line."""
    result = subprocess.run(
        [sys.executable, '-m', module, json.dumps(request)],
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(result.stdout.splitlines()[-1])


def random_views(batch: int, sizes: list[int]) -> list:
    """One (B, 3, S, S) uint8 tensor a view."""
    import torch

    torch.manual_seed(0)
    return [torch.randint(0, 256, (batch, 3, s, s), dtype=torch.uint8) for s in sizes]


def time_steps(step: Step, phases: dict[str, float], steps: int) -> dict:
    """Times ``steps`` steps after one more: seconds, peak memory, losses, shares of the phases."""
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


def model_step(
    model: Any, views: list, lr: float, max_norm: float, hooks: Sequence[Any] = (), **runner_parts
) -> tuple[Step, dict[str, float]]:
    """dinomm's step of a ``SelfDistillation`` on the same views again and again, and its phases.

    Args:
        model: To train.
        views: One (B, 3, H, W) tensor each.
        lr: Learning rate.
        max_norm: Of the clipping.
        hooks: Called around each step; those that the sequence holds at the time.
        runner_parts: What they ask the Runner for.
    """
    from types import SimpleNamespace

    import torch

    from dinomm.engine import TeacherEMAHook, TwoGroupConstructor
    from dinomm.engine.batch_part import BatchPart
    from dinomm.engine.schedules import Clock
    from dinomm.host_memory import keep_freed_memory

    keep_freed_memory()  # as dinomm.launch does
    wrapper = TwoGroupConstructor(
        {
            'optimizer': {'type': 'AdamW', 'lr': lr, 'weight_decay': 0.04, 'fused': True},
            'clip_grad': {'max_norm': max_norm},
        }
    )(model)
    hook = TeacherEMAHook(momentum=0.996, end_momentum=0.996)
    runner = SimpleNamespace(
        model=model, optim_wrapper=wrapper, max_iters=10**6, iter=0, **runner_parts
    )
    hook.before_train(runner)
    phases: dict[str, float] = defaultdict(float)
    timed = [
        (model.data_preprocessor, 'forward', 'normalisation'),
        (model.teacher, 'extract_feat', 'teacher backbone'),
        (model, 'extract_feat', 'student backbone, forward'),
        (wrapper, 'backward', 'backward'),
        (wrapper, '_prepare_gradients', 'clipping'),
        (wrapper.optimizer, 'step', 'optimizer'),
        (hook, 'after_train_iter', 'teacher update'),
    ]
    for name, head in model.heads.items():
        timed += [(head, 'project', f'{name}: projector'), (head, 'loss', f'{name}: loss')]
    for owner, method, name in timed:
        _time_calls(owner, method, name, phases)

    def step() -> float:
        for watching in hooks:
            watching.before_train_iter(runner, runner.iter)
        torch.manual_seed(wrapper.steps)
        model.start_step(Clock(wrapper.steps, 1000), BatchPart((0, wrapper.steps)))
        logged = model.train_step({'inputs': views, 'data_samples': None}, wrapper)
        for watching in hooks:
            watching.after_train_iter(runner, runner.iter, outputs=logged)
        model.finish_step(wrapper.stepped)
        hook.after_train_iter(runner, 0)
        runner.iter += 1
        return logged['loss'].item()

    return step, phases


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
