"""Counts the images that could not be read, over all processes and resumptions."""

from pathlib import Path

from mmengine.dist import all_gather_object, broadcast_object_list, is_main_process
from mmengine.hooks import Hook, LoggerHook

from dinomm.datasets.bad_images import FILE, write_paths
from dinomm.engine.stopping import save_now
from dinomm.registry import HOOKS

KEY = 'bad_images'
"""In a checkpoint; pairs of index and relative path."""


@HOOKS.register_module()
class BadImagesHook(Hook):
    """Lists the unreadable images of the training set in ``bad_images.txt`` of the work directory.

    One path a line, of all processes since the start of the run, resumed or not; the file is absent
    if there is none. A log line gives their number whenever it has grown. The processes tell each
    other at the logging interval and at the end of an epoch: what one has found, none tries again,
    and together they may find ``ImageFiles.max_bad_images``. A resumed run tries those that it
    knows once more, and forgets the ones that were repaired.

    Raises:
        TooManyBadImagesError: More were found; a checkpoint is written first. Tools exit with its
            ``exit_status``, 5.
    """

    priority = 'LOW'  # after all that moves in a step, before the checkpoint

    def before_run(self, runner) -> None:
        """Starts counting."""
        self._known = 0
        self._restored: list[tuple[int, str]] = []
        loggers = [hook for hook in runner.hooks if isinstance(hook, LoggerHook)]
        self._interval = loggers[0].interval if loggers else 10

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Stores what the main process knows."""
        dataset = _dataset(runner)
        if dataset is not None:
            checkpoint[KEY] = [(i, dataset.paths[i]) for i in dataset.bad_indices()]

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Keeps what :meth:`before_save_checkpoint` stored, if the run goes on."""
        self._restored = checkpoint.get(KEY, []) if runner._resume else []

    def before_train(self, runner) -> None:
        """Tries the restored ones again; from now on the limit is this hook's."""
        dataset = _dataset(runner)
        if dataset is None:
            return
        dataset.limit_is_watched = True
        found = [self._still_bad(dataset, runner.logger.info) if is_main_process() else []]
        broadcast_object_list(found)
        dataset.mark_bad(found[0])
        self._list(runner, found[0])
        too_many = dataset.too_many_bad()
        if too_many:
            raise too_many

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """At the logging interval, joins what all found."""
        if self.every_n_inner_iters(batch_idx, self._interval):
            self._count(runner, runner.iter + 1)

    def after_train_epoch(self, runner) -> None:
        """Joins what all found."""
        self._count(runner, runner.iter)

    def flush(self, runner) -> None:
        """Joins what all found, for a checkpoint; all processes at the same iteration."""
        dataset = _dataset(runner)
        if dataset is not None:
            dataset.mark_bad(sorted(set().union(*all_gather_object(dataset.bad_indices()))))

    def _still_bad(self, dataset, tell) -> list[int]:
        """Those that stand where they stood and cannot be read yet."""
        there = [i for i, path in self._restored if i < len(dataset) and dataset.paths[i] == path]
        bad = [i for i in there if not dataset.can_be_read(i)]
        if len(bad) < len(self._restored):
            tell(
                f'{len(self._restored) - len(bad):,} of {len(self._restored):,} images that could '
                'not be read before this run was resumed can be read now, or are gone'
            )
        return bad

    def _count(self, runner, iteration: int) -> None:
        self.flush(runner)
        dataset = _dataset(runner)
        bad = [] if dataset is None else dataset.bad_indices()
        if len(bad) == self._known:
            return
        self._list(runner, bad)
        runner.logger.warning(
            f'{len(bad):,} of {len(dataset):,} images could not be read and were replaced, '
            f'named in {Path(runner.work_dir) / FILE}'
        )
        too_many = dataset.too_many_bad()
        if too_many:
            path = save_now(runner, iteration)
            raise too_many.stopped(iteration, path)

    def _list(self, runner, bad: list[int]) -> None:
        self._known = len(bad)
        file = Path(runner.work_dir) / FILE
        if not is_main_process():
            return
        if bad:
            write_paths(file, sorted(map(_dataset(runner).image_path, bad)))
        else:
            file.unlink(missing_ok=True)


def _dataset(runner):
    """The training set, if it can be asked."""
    dataset = runner.train_dataloader.dataset
    return dataset if hasattr(dataset, 'too_many_bad') else None
