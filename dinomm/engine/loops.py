"""The training loop: epochs that can be entered anywhere."""

from mmengine.runner import EpochBasedTrainLoop

from dinomm.registry import LOOPS


@LOOPS.register_module()
class ResumableEpochLoop(EpochBasedTrainLoop):
    """mmengine's epoch loop, which can start inside an epoch.

    A checkpoint holds the epoch and the number of iterations since the start of the run; what is
    missing of the epoch is read from the sampler's order (``EpochSampler.start_at``), without
    loading what was trained on already.
    """

    def __init__(self, runner, dataloader, max_epochs: int, **kwargs):
        super().__init__(runner, dataloader, max_epochs, **kwargs)
        if len(self.dataloader) == 0:
            raise ValueError(
                f'an epoch has no step: each process has {len(self.dataloader.sampler)} images and '
                f'train_dataloader.batch_size is {self.dataloader.batch_size}; give more images '
                '(of a small set by sampler.epoch_size) or lower it'
            )

    def run_epoch(self) -> None:
        """One epoch, from the iteration at which the run stands."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        done = self._iter - self._epoch * len(self.dataloader)
        if done:
            self._skip(done)
        for idx, data_batch in enumerate(self.dataloader, done):
            self.run_iter(idx, data_batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def _skip(self, num_batches: int) -> None:
        if not 0 < num_batches <= len(self.dataloader):
            raise ValueError(
                f'the checkpoint stands at iteration {self._iter} in epoch {self._epoch}, but an '
                f'epoch has {len(self.dataloader)} iterations now: resume with the same data and '
                'the same global batch size (train_dataloader.batch_size x processes)'
            )
        sampler = self.dataloader.sampler
        if not hasattr(sampler, 'start_at'):
            raise ValueError(
                f'train_dataloader.sampler of type {type(sampler).__name__} cannot start inside '
                "an epoch: use dict(type='EpochSampler')"
            )
        sampler.start_at(min(num_batches * self.dataloader.batch_size, len(sampler)))
