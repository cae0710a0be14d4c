"""Tells at the end of an epoch which images could not be read."""

from pathlib import Path

from mmengine.dist import all_gather_object, is_main_process
from mmengine.hooks import Hook

from dinomm.registry import HOOKS
from dinomm.visualization.files import replaced_when_whole

FILE = 'bad_images.txt'


@HOOKS.register_module()
class BadImagesHook(Hook):
    """Lists the unreadable images of the training set in ``bad_images.txt`` of the work directory.

    One path a line, of all processes since the start or the resumption; the file is absent if
    there is none. A log line gives their number whenever it has grown.
    """

    def before_run(self, runner) -> None:
        """Starts counting."""
        self._known = 0

    def after_train_epoch(self, runner) -> None:
        """Gathers, writes and counts the paths."""
        dataset = runner.train_dataloader.dataset
        shares = all_gather_object(list(getattr(dataset, 'bad_images', ())))
        if not is_main_process():
            return
        paths = sorted({path for share in shares for path in share})
        file = Path(runner.work_dir) / FILE
        if not paths:
            file.unlink(missing_ok=True)
        if len(paths) == self._known:
            return
        self._known = len(paths)
        with replaced_when_whole(file) as partial:
            lines = ''.join(path.replace('\n', '\\n') + '\n' for path in paths)
            partial.write_bytes(lines.encode('utf-8', 'surrogateescape'))
        runner.logger.warning(
            f'{len(paths):,} of {len(dataset):,} images could not be read and were replaced, named '
            f'in {file}'
        )
