"""Stops that are meant: a checkpoint, a sentence, an exit status."""

from collections.abc import Iterable
from pathlib import Path

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.model import is_model_wrapper

from dinomm.visualization.files import replaced_when_whole


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
        the run keeps no checkpoints.
    """
    savers = [hook for hook in runner.hooks if isinstance(hook, CheckpointHook)]
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    networks = [model, getattr(model, '_teacher', None)]
    if not savers or not all_finite(p for n in networks if n is not None for p in n.parameters()):
        return None
    saver, name = savers[0], f'iter_{iteration}.pth'
    runner.save_checkpoint(
        saver.out_dir,
        name,
        meta={'epoch': runner.epoch, 'iter': iteration},
        by_epoch=False,
        backend_args=saver.backend_args,
    )
    path = Path(saver.out_dir) / name
    if is_main_process():
        with replaced_when_whole(Path(runner.work_dir) / 'last_checkpoint') as partial:
            partial.write_text(str(path))
    return path


def all_finite(tensors: Iterable[torch.Tensor]) -> bool:
    """Whether all entries are; waits for the device."""
    return all(bool(tensor.isfinite().all()) for tensor in tensors)
