"""What the health hook adds to DINO's training step."""

import statistics
import tempfile
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from .step import LR, MAX_NORM, StepSize, build_model
from .stepping import model_step, random_views

INTERVAL = 50
"""Of ``configs/_base_/default_runtime.py``: one step in so many is measured."""
CALLS = 1000
"""Of the hook's methods, whose time is taken."""


class _Loader:
    """As much of a data loader as the hook asks for: an epoch that does not end."""

    def __init__(self, batch_size: int):
        self.batch_size = batch_size

    def __len__(self) -> int:
        return 10**9


class _Idle:
    """Times the calls of the hook in a step that it does not measure."""

    def before_train_iter(self, runner, batch_idx: int) -> None:
        from dinomm.engine import HealthHook

        hook = HealthHook()
        hook.interval = 10**8

        def call() -> None:
            hook.before_train_iter(runner, 0)
            hook.after_train_iter(runner, 0)

        self.seconds = _seconds(call, CALLS)

    def after_train_iter(self, runner, batch_idx: int, outputs: Any = None) -> None:
        pass


def compare_health_steps(
    size: StepSize, rounds: int, steps: int, show: Callable[[str], None]
) -> dict:
    """Times steps without the hook and measured by it, one of each in turns.

    What a measurement adds is the difference; judging and writing ``health.json`` are part of it.
    What the hook adds between two measurements are the calls of its two methods, timed alone. It
    is processor time, of all threads: other programs hardly disturb it. Work of a GPU is not seen.

    Args:
        size: The work of a step.
        rounds: Of as many lines of the report.
        steps: Timed steps of each kind in a round.
        show: Takes each line of the report.

    Returns:
        Medians as plain numbers; ``cost`` is the share of a step's time that the hook takes at
        the default interval.
    """
    import torch

    from dinomm.engine import HealthHook

    torch.set_num_threads(size.threads)
    views = random_views(size.batch, [224] * 2 + [96] * size.num_local)
    torch.manual_seed(0)
    hooks: list = []
    with tempfile.TemporaryDirectory() as folder:
        logger = SimpleNamespace(info=lambda text: None, warning=lambda text: None)
        runner = {
            'train_dataloader': _Loader(size.batch),
            'visualizer': SimpleNamespace(add_scalars=lambda values, step: None),
            'logger': logger,
            'work_dir': folder,
        }
        step, _ = model_step(build_model(size), views, LR, MAX_NORM, hooks, **runner)
        measuring, idle = HealthHook(), _Idle()
        measuring.interval = 1
        kinds: dict[str, list] = {'without': [], 'measured': [measuring]}
        for chosen in (*kinds.values(), [idle]):  # warm up
            hooks[:] = chosen
            step()
        times: dict[str, list[float]] = {kind: [] for kind in kinds}
        for round_ in range(rounds):
            for _ in range(steps):
                for kind, chosen in kinds.items():
                    hooks[:] = chosen
                    times[kind].append(_seconds(step, 1))
            medians = (f'{k} {1e3 * statistics.median(t[-steps:]):.1f}' for k, t in times.items())
            show(f'round {round_ + 1}: {", ".join(medians)} ms a step')
    return _report(size, times, idle.seconds, show)


def _seconds(work: Callable[[], Any], times: int) -> float:
    start = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - start) / times


def _report(
    size: StepSize, times: dict[str, list[float]], idle: float, show: Callable[[str], None]
) -> dict:
    plain = statistics.median(times['without'])
    pairs = zip(times['measured'], times['without'], strict=True)
    added = statistics.median(measured - without for measured, without in pairs)
    cost = (added + (INTERVAL - 1) * idle) / (INTERVAL * plain)
    show(f'median  {1e3 * plain:.1f} ms of processor time a step')
    show(
        f'added   {1e3 * added:.1f} ms by a measurement, {1e3 * idle:.3f} ms in a step between two'
    )
    show(f'the hook takes {100 * cost:.2f} % of the time, with a measurement in {INTERVAL} steps')
    return {
        'size': size._asdict(),
        'seconds': times,
        'added_by_measurement': added,
        'added_between': idle,
        'interval': INTERVAL,
        'cost': cost,
    }
