"""What becomes of a step whose loss or gradient is not finite."""

from pathlib import Path
from typing import Any

from mmengine.dist import all_gather_object, is_main_process
from mmengine.hooks import Hook
from torch import Tensor

from dinomm.engine.stopping import NotFiniteError, save_now
from dinomm.registry import HOOKS
from dinomm.visualization.files import replaced_when_whole

from .interval_runtime_info_hook import IntervalRuntimeInfoHook

FILE = 'bad_batches.txt'


@HOOKS.register_module()
class NonFiniteHook(Hook):
    """Counts the steps that ``DINOOptimWrapper`` skipped, names their images, ends a bad run.

    Such a step leaves everything as it was: weights, moments, teacher, centre, schedules and the
    statistics of batch norm. The images of the micro-batches whose loss
    was not finite (of all of the step, where the gradient alone was not) are added to
    ``bad_batches.txt`` of the work directory. Steps that float16's loss scaler skips while it
    looks for its scale, the loss being finite, are no fault and not counted.

    Args:
        max_in_a_row: After so many steps in a row the run stops with a checkpoint of its last good
            state.

    Raises:
        NotFiniteError: That has happened. Tools exit with its ``exit_status``, 4.
    """

    priority = 'LOW'  # after all that moves in a step, before the checkpoint

    def __init__(self, max_in_a_row: int = 5):
        whole = isinstance(max_in_a_row, int) and not isinstance(max_in_a_row, bool)
        if not whole or max_in_a_row < 1:
            raise ValueError(
                f'default_hooks.non_finite.max_in_a_row is {max_in_a_row!r}: expected a whole '
                'number from 1'
            )
        self.max_in_a_row = max_in_a_row
        self.skipped = self.in_a_row = 0
        self._window: list[tuple[Tensor, Any]] = []

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """On resume, goes on counting."""
        if getattr(runner, '_resume', False):
            self.skipped = checkpoint.get('meta', {}).get('skipped_steps', 0)

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Keeps the count."""
        checkpoint['meta']['skipped_steps'] = self.skipped

    def before_run(self, runner) -> None:
        """Takes these steps out of the log."""
        for hook in runner.hooks:
            if isinstance(hook, IntervalRuntimeInfoHook):
                hook.leaves_out_non_finite = True

    def before_train(self, runner) -> None:
        """A new run begins without the list of a former one; resuming lengthens it."""
        if is_main_process() and not runner._resume:
            (Path(runner.work_dir) / FILE).unlink(missing_ok=True)

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        """Forgets the micro-batches of the step before."""
        if runner.iter % runner.optim_wrapper.accumulative_counts == 0:
            self._window.clear()

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """At the end of a step, sees whether it was skipped."""
        wrapper = runner.optim_wrapper
        self._window.append((outputs['loss'].detach(), (data_batch or {}).get('data_samples')))
        if not wrapper.should_update():
            return
        if wrapper.stepped:
            self.in_a_row = 0
            return
        faults, paths = self._gather()
        scaler = getattr(wrapper, 'loss_scaler', None)
        if scaler is not None and not faults and scaler.get_scale() >= 1:
            return
        self.skipped += 1
        self.in_a_row += 1
        what = 'the loss' if faults else 'a gradient'
        file = self._write(runner, what, paths)
        runner.logger.warning(
            f'{what} is not finite at iteration {runner.iter + 1}: the step was skipped, the '
            f'{self.skipped:,}th of this run, and its {len(paths)} images were named in {file}'
        )
        if self.in_a_row >= self.max_in_a_row:
            self._stop(runner, what)

    def _gather(self) -> tuple[bool, list[str]]:
        """Whether a loss was not finite, and the images concerned, of all processes."""
        own = [(not bool(loss.isfinite()), _paths(samples)) for loss, samples in self._window]
        parts = [part for share in all_gather_object(own) for part in share]
        faults = any(bad for bad, _ in parts)
        return faults, [path for bad, paths in parts if bad or not faults for path in paths]

    def _write(self, runner, what: str, paths: list[str]) -> Path:
        file = Path(runner.work_dir) / FILE
        if is_main_process():
            head = f'# iteration {runner.iter + 1}: {what} is not finite, {len(paths)} images'
            lines = [head, *(path.replace('\n', '\\n') for path in paths)]
            before = file.read_bytes() if file.is_file() else b''
            with replaced_when_whole(file) as partial:
                added = '\n'.join(lines) + '\n'
                partial.write_bytes(before + added.encode('utf-8', 'surrogateescape'))
        return file

    def _stop(self, runner, what: str) -> None:
        path = save_now(runner, runner.iter + 1)
        state = (
            f'the last good state is in {path}'
            if path
            else 'the state at hand was not written, as its weights are not finite or the run '
            'keeps no checkpoints: the last checkpoint of the work directory is the newest'
        )
        raise NotFiniteError(
            f'{what} was not finite in {self.in_a_row} steps in a row '
            f'(default_hooks.non_finite.max_in_a_row), up to iteration {runner.iter + 1}; {state}. '
            f'Go on {_advice(runner.optim_wrapper)}; {FILE} names the images'
        )


def _advice(wrapper) -> str:
    """Rates are part of what is resumed, clipping and precision are not."""
    rate, clip = wrapper.optimizer.defaults['lr'], wrapper.max_norm
    smaller = 0.3 if clip is None or clip > 0.3 else clip / 3
    amp = str(getattr(wrapper, 'dtype', '')) == 'torch.float16'
    precision = '--amp bfloat16, or no --amp, instead of float16, or with ' if amp else ''
    return (
        f'by --resume with {precision}optim_wrapper.clip_grad.max_norm={smaller:.2g}; or begin '
        'anew from it with a lower rate, --cfg-options load_from=FILE '
        f'optim_wrapper.optimizer.lr={rate / 2:.2g}'
    )


def _paths(samples: Any) -> list[str]:
    return [str(getattr(sample, 'img_path', '?')) for sample in samples or ()]
