"""Stops that are meant: a checkpoint, a sentence, an exit status."""

from collections.abc import Iterable
from pathlib import Path

import torch

from dinomm.distributed import unwrapped
from dinomm.engine.hooks.resumable_checkpoint_hook import ResumableCheckpointHook


class NotFiniteError(FloatingPointError):
    """Loss or gradient was not finite in too many steps in a row."""

    exit_status = 4


class CollapseError(RuntimeError):
    """The run has collapsed, and was asked to stop then."""

    exit_status = 3


def save_now(runner, iteration: int) -> Path | None:
    """Writes a checkpoint that ``--resume`` takes, outside of the saver's turns.

    Args:
        runner: All that moves in a step has moved.
        iteration: How many have been done; inside an accumulation window it is dated back.

    Returns:
        The file; None if nothing was written, as a weight of student or teacher is not finite or
        the config has no ``ResumableCheckpointHook``.
    """
    savers = [hook for hook in runner.hooks if isinstance(hook, ResumableCheckpointHook)]
    model = unwrapped(runner.model)
    networks = [model, getattr(model, '_teacher', None)]
    if not savers or not all_finite(p for n in networks if n is not None for p in n.parameters()):
        return None
    return Path(savers[0].save_now(runner, iteration))


def all_finite(tensors: Iterable[torch.Tensor]) -> bool:
    """Whether all entries are; waits for the device."""
    return all(bool(tensor.isfinite().all()) for tensor in tensors)
