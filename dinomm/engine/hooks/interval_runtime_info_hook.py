"""Log values, read from the device at the logging interval and not before."""

import math
import resource
import sys
import time
from collections import deque

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import LoggerHook, RuntimeInfoHook

from dinomm.checkpoints.message_hub import from_plain, to_plain
from dinomm.engine.optimizers.wrapper import micro_batches_done
from dinomm.registry import HOOKS


@HOOKS.register_module()
class IntervalRuntimeInfoHook(RuntimeInfoHook):
    """mmengine's hook without its host sync in every iteration.

    The step's outputs are kept as tensors and read together when the logger is due, averaged over
    ranks. Adds ``images_per_s`` (all ranks) and, where there is no CUDA, ``peak_gib`` of the
    process. Checkpoints get the message hub as plain data, which ``weights_only`` can load.

    Works for detectors of mmdet as well. Where ``NonFiniteHook`` looks after losses that are not
    finite, these are left out.

    Raises:
        FloatingPointError: The loss is not finite, and there is no such hook.
    """

    leaves_out_non_finite = False

    def before_run(self, runner) -> None:
        """Finds the logger's interval."""
        super().before_run(runner)
        loggers = [hook for hook in runner.hooks if isinstance(hook, LoggerHook)]
        self.interval = loggers[0].interval if loggers else 10
        self._pending: list[dict[str, torch.Tensor]] = []
        self._names: list[str] = []
        window = getattr(runner.optim_wrapper, 'accumulative_counts', 1)
        self._logged: deque[bool] = deque(maxlen=window)
        self._images, self._since = 0, time.perf_counter()

    def before_train_epoch(self, runner) -> None:
        """Starts the clock anew: what lay between epochs is no training."""
        super().before_train_epoch(runner)
        self._images, self._since = 0, time.perf_counter()

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """Keeps the outputs; reads them if the logger is due."""
        self._pending.append({name: value.detach() for name, value in (outputs or {}).items()})
        self._images += num_images(data_batch['inputs'])
        due = self.every_n_inner_iters(batch_idx, self.interval)
        if due or self.end_of_epoch(runner.train_dataloader, batch_idx):
            self._flush(runner)

    def flush(self, runner) -> None:
        """Reads what is pending, for a checkpoint; all processes at the same iteration."""
        if self._pending:
            self._flush(runner)

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Stores the message hub as plain data, without what a resumed run repeats."""
        hub = to_plain(runner.message_hub.state_dict())
        done = micro_batches_done(runner.optim_wrapper)
        repeated = sum(list(self._logged)[len(self._logged) - done :])
        for name in self._names if repeated else ():
            history = hub['log_scalars'][f'train/{name}']
            for part in ('values', 'counts'):
                del history[part][-repeated:]
        checkpoint['message_hub'] = hub

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Restores what :meth:`before_save_checkpoint` stored."""
        if 'message_hub' in checkpoint:
            checkpoint['message_hub'] = from_plain(checkpoint['message_hub'])

    def _flush(self, runner) -> None:
        if self._pending and self._pending[0]:
            names = self._names = list(self._pending[0])
            values = torch.stack([torch.stack(list(step.values())) for step in self._pending])
            all_reduce(values, 'mean')
            steps = values.float().cpu().tolist()
            for step in steps:
                self._logged.append(not self.leaves_out_non_finite or all(map(math.isfinite, step)))
                if not self._logged[-1]:
                    continue
                for name, value in zip(names, step, strict=True):
                    runner.message_hub.update_scalar(f'train/{name}', value)
            if not self.leaves_out_non_finite:
                self._require_finite(runner, dict(zip(names, steps[-1], strict=True)))
        self._pending.clear()
        self._log_speed(runner)

    def _require_finite(self, runner, last: dict[str, float]) -> None:
        bad = [name for name, value in last.items() if not math.isfinite(value)]
        if bad:
            raise FloatingPointError(
                f'{", ".join(bad)} is not finite at iteration {runner.iter + 1}: resume from the '
                'last checkpoint with bfloat16 or float32 instead of float16, a lower learning '
                'rate or a smaller optim_wrapper.clip_grad.max_norm'
            )

    def _log_speed(self, runner) -> None:
        now = time.perf_counter()
        if self._images:
            speed = self._images * get_world_size() / (now - self._since)
            runner.message_hub.update_scalar('train/images_per_s', speed)
        if not torch.cuda.is_available():
            unit = 1 if sys.platform == 'darwin' else 1024  # ru_maxrss: bytes there, KiB here
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
            runner.message_hub.update_scalar('train/peak_gib', peak / 2**30)
        self._images, self._since = 0, now


def num_images(inputs) -> int:
    """Images of a batch: a tensor, a list of views of N images, or mmdet's list of images."""
    if isinstance(inputs, torch.Tensor):
        return len(inputs)
    first = inputs[0]
    is_image = isinstance(first, torch.Tensor) and first.ndim == 3
    return len(inputs) if is_image else len(first)
