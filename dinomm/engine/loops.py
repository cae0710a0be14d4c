"""The training loop: epochs that can be entered anywhere, and left."""

from collections.abc import Iterator

from mmengine.dist import get_world_size
from mmengine.runner import EpochBasedTrainLoop
from torch import nn

from dinomm.datasets.bad_images import TooManyBadImagesError
from dinomm.datasets.samplers import start_at_batch
from dinomm.datasets.workers import guard_workers, worker_failures_named
from dinomm.preemption import PreemptedError, StopRequest
from dinomm.registry import LOOPS

from .hooks.resumable_checkpoint_hook import VALIDATED
from .stopping import save_now


@LOOPS.register_module()
class ResumableEpochLoop(EpochBasedTrainLoop):
    """mmengine's epoch loop, which can start inside an epoch, and stop there when it is asked to.

    A checkpoint holds the epoch and the number of iterations since the start of the run; what is
    missing of the epoch is read from the sampler's order, without loading what was trained on
    already. With ``EpochSampler`` and dinomm's transforms the samples are those of the
    uninterrupted run; transforms that draw from a worker's random state draw others. A validation
    that the kill prevented is made up for.

    ``train_cfg.val_begin=0`` validates before the first step too, which tells what the network
    gives untrained.

    After SIGTERM or SIGUSR1 the run writes a checkpoint at the next optimizer step (several
    processes at the one after it), or instead of a validation, and raises
    :class:`~dinomm.preemption.PreemptedError`.
    """

    def __init__(self, runner, dataloader, max_epochs: int, **kwargs):
        super().__init__(runner, dataloader, max_epochs, **kwargs)
        if len(self.dataloader) == 0:
            raise ValueError(
                f'an epoch has no step: each process has {len(self.dataloader.sampler)} images and '
                f'train_dataloader.batch_size is {self.dataloader.batch_size}; give more images '
                '(of a small set by sampler.epoch_size) or lower it'
            )
        guard_workers(self.dataloader)

    def run(self) -> nn.Module:
        """Trains, validates, and stops in good order; the log says why.

        Raises:
            PreemptedError: After a signal, when the checkpoint is written.
            WorkerError: A data-loading worker died or hung.
        """
        try:
            with StopRequest() as self.stop, worker_failures_named(self._loaders()):
                try:
                    self._run()
                except PreemptedError:
                    raise PreemptedError(self._write_checkpoint()) from None
        except PreemptedError as stopped:
            self.runner.logger.info(str(stopped))
            raise
        except Exception as error:
            self.runner.logger.error(f'stopped at iteration {self._iter}: {error}')
            raise
        return self.runner.model

    def _run(self) -> None:
        self.runner.call_hook('before_train')
        at_boundary = self._iter == self._epoch * len(self.dataloader)
        validated = self.runner.message_hub.runtime_info.get(VALIDATED)
        if at_boundary and validated != self._epoch:
            self._validate_if_due()
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            self._validate_if_due()
        self.runner.call_hook('after_train')

    def run_epoch(self) -> None:
        """One epoch, from the iteration at which the run stands."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        done = self._iter - self._epoch * len(self.dataloader)
        if done:
            self._skip(done)
        for idx, data_batch in enumerate(self._batches(), done):
            self.run_iter(idx, data_batch)
            window_ended = self.runner.optim_wrapper.should_update()
            if window_ended and self.stop.agreed(wait=False):
                raise PreemptedError
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def _batches(self) -> Iterator:
        """The loader's; if it gives up, a checkpoint before the error.

        Not with several processes: the others are in the next step already, and wait.
        """
        try:
            yield from self.dataloader
        except TooManyBadImagesError as error:
            if not self._iter or get_world_size() > 1:
                raise
            raise error.stopped(self._iter, save_now(self.runner, self._iter)) from None

    def _validate_if_due(self) -> None:
        loop = self.runner.val_loop
        self._decide_current_val_interval()
        at_end = self._epoch == self._max_epochs
        if loop is None or self._epoch < self.val_begin:
            return
        if self._epoch % self.val_interval == 0 or at_end:
            if self.stop.agreed():
                raise PreemptedError
            loop.stop = self.stop
            loop.run()

    def _write_checkpoint(self) -> str:
        """Where the run stands, in words."""
        place = f'{self.stop.signal or "a signal to another process"}: stopped at iteration '
        place += f'{self._iter} of {self._max_iters}'
        path = save_now(self.runner, self._iter)
        if path is None:
            return (
                f'{place} without a checkpoint: the config has no ResumableCheckpointHook, or '
                'weights are not finite'
            )
        return f'{place}, checkpoint {path}; go on with --resume'

    def _loaders(self) -> dict:
        loop = self.runner.val_loop
        loaders = {
            'train_dataloader': self.dataloader,
            'val_dataloader': getattr(loop, 'dataloader', None),
            'val_cfg.support_dataloader': getattr(loop, 'support_dataloader', None),
        }
        return {key: loader for key, loader in loaders.items() if loader is not None}

    def _skip(self, num_batches: int) -> None:
        if not 0 < num_batches <= len(self.dataloader):
            raise ValueError(
                f'the checkpoint stands at iteration {self._iter} in epoch {self._epoch}, but an '
                f'epoch has {len(self.dataloader)} iterations now: resume with the same data and '
                'the same global batch size (train_dataloader.batch_size x processes)'
            )
        start_at_batch(self.dataloader, num_batches)
