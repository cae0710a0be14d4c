"""Checkpoints that a run can always go on from."""

from pathlib import Path

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import CheckpointHook

from dinomm.checkpoints.files import AtomicLocalBackend, remove_partial_files
from dinomm.checkpoints.newest import newest_whole
from dinomm.registry import HOOKS

KEPT = 'kept_checkpoints'
VALIDATED = 'last_validated_epoch'
"""Of the message hub, which the checkpoints hold."""


@HOOKS.register_module()
class ResumableCheckpointHook(CheckpointHook):
    """mmengine's hook, which never leaves a run without a whole checkpoint.

    Files are written to a temporary name, flushed and renamed; the ones that they replace, by
    ``max_keep_ckpts`` and ``save_best``, are deleted after that, so the disk needs room for one
    more. ``--resume`` without a file takes the newest whole one of the work directory, whatever
    ``last_checkpoint`` says; where there is none, a new run starts and the log says so.

    Args:
        first_load_from: Weights that the run begins with if ``--resume`` finds nothing
            (``load_from`` of the config, which ``tools/train.py`` puts here).
        kwargs: Of mmengine's ``CheckpointHook``.
    """

    def __init__(self, *args, first_load_from: str | None = None, **kwargs):
        kwargs.setdefault('backend_args', {'backend': 'atomic'})
        super().__init__(*args, **kwargs)
        self.first_load_from = first_load_from
        self._kept: list[str] = []
        self._written_at = -1

    def before_run(self, runner) -> None:
        """Finds the checkpoint to go on from.

        Raises:
            ValueError: There are checkpoints, and none is whole.
        """
        if not runner._resume or runner._load_from is not None:
            return
        folder = self._folder(runner)
        found = [newest_whole(folder, runner.logger.warning) if is_main_process() else None]
        broadcast_object_list(found)
        if found[0] is not None:
            runner._load_from = str(found[0])
            return
        begin = f' from {self.first_load_from}' if self.first_load_from else ''
        runner.logger.info(f'nothing to resume in {folder}: a new run begins{begin}')
        runner._resume, runner._load_from = False, self.first_load_from

    def before_train(self, runner) -> None:
        """Clears what a killed run has left."""
        super().before_train(runner)
        known = runner.message_hub.runtime_info.get(KEPT)
        by_number = [self.filename_tmpl.format(n) for n in getattr(self, 'keep_ckpt_ids', ())]
        self._kept = by_number if known is None else list(known)
        if is_main_process():
            remove_partial_files(Path(self.out_dir))
        self._remove_old()

    def save_now(self, runner, iteration: int) -> str:
        """Writes where the run stands after so many iterations, if no file does yet.

        Returns:
            The file's path.
        """
        if self._written_at != iteration:
            meta = dict(epoch=runner.epoch, iter=iteration)
            self._write(runner, f'iter_{iteration}.pth', meta)
        return self.last_ckpt

    def after_val_epoch(self, runner, metrics) -> None:
        """Notes that this epoch was validated, then does as mmengine's hook."""
        runner.message_hub.update_info(VALIDATED, runner.epoch)
        super().after_val_epoch(runner, metrics)

    def _save_checkpoint_with_step(self, runner, step, meta) -> None:
        self._write(runner, self.filename_tmpl.format(step), meta)

    def _write(self, runner, name: str, meta: dict) -> None:
        for hook in runner.hooks:
            if hasattr(hook, 'flush'):  # what is not in the checkpoint's reach yet
                hook.flush(runner)
        self._written_at = meta['iter']
        self._kept = [kept for kept in self._kept if kept != name] + [name]
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        runner.message_hub.update_info(KEPT, list(self._kept))
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir,
            name,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if is_main_process():
            AtomicLocalBackend().put_text(self.last_ckpt, Path(runner.work_dir, 'last_checkpoint'))
        self._remove_old()

    def _remove_old(self) -> None:
        if self.max_keep_ckpts <= 0:
            return
        old, self._kept = self._kept[: -self.max_keep_ckpts], self._kept[-self.max_keep_ckpts :]
        for name in old:
            self._remove(name)

    def _save_best_checkpoint(self, runner, metrics) -> None:
        """mmengine's, but that the former best is deleted when the new one is whole.

        Raises:
            ValueError: The validation does not give the metric of ``save_best``.
        """
        for key in getattr(self, 'key_indicators', ()):
            if key != 'auto' and key not in metrics:
                raise ValueError(
                    f'default_hooks.checkpoint.save_best is {key!r}, but the validation gives '
                    f'{", ".join(metrics) or "nothing"}: name one of these'
                )
        former = self._take_best()
        super()._save_best_checkpoint(runner, metrics)
        for key, path in former.items():
            best = self._best()
            if best.get(key) is None:
                self._set_best(key, path)
            elif Path(best[key]).name != Path(path).name:
                self._remove(Path(path).name)
                runner.logger.info(f'The previous best checkpoint {path} is removed')

    def _best(self) -> dict:
        if not self.save_best:
            return {}
        if len(self.key_indicators) == 1:
            return {None: self.best_ckpt_path}
        return self.best_ckpt_path_dict

    def _set_best(self, key: str | None, path: str | None) -> None:
        if key is None:
            self.best_ckpt_path = path
        else:
            self.best_ckpt_path_dict[key] = path

    def _take_best(self) -> dict:
        """The best files so far, which mmengine's method does not see then, nor delete."""
        former = {key: path for key, path in self._best().items() if path}
        for key in former:
            self._set_best(key, None)
        return former

    def _remove(self, name: str) -> None:
        path = self.file_backend.join_path(self.out_dir, name)
        if is_main_process() and self.file_backend.isfile(path):
            self.file_backend.remove(path)

    def _folder(self, runner) -> Path:
        if self.out_dir is None:
            return Path(runner.work_dir)
        return Path(self.out_dir, Path(runner.work_dir).name)
