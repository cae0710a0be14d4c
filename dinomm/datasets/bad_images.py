"""Images that cannot be read: how many are allowed, and the file that names them."""

from collections.abc import Iterable
from pathlib import Path

from dinomm.visualization.files import replaced_when_whole

FILE = 'bad_images.txt'
EXIT_STATUS = 5
"""Of a run that met too many of them, and of a check that found any."""


class TooManyBadImagesError(RuntimeError):
    """More images could not be read than ``max_bad_images`` allows.

    Args:
        message: The sentence; of one that torch brings from a worker, what stands around it is
            taken off.
    """

    exit_status = EXIT_STATUS

    def __init__(self, message: str) -> None:
        super().__init__(message.rpartition(f'{type(self).__name__}: ')[2].rstrip('\n'))

    def stopped(self, iteration: int, checkpoint: Path | None) -> 'TooManyBadImagesError':
        """The same, of a run that stopped for it; None if no checkpoint could be written."""
        state = f'checkpoint {checkpoint}; go on with --resume'
        return TooManyBadImagesError(
            f'{self}. Stopped at iteration {iteration}, '
            f'{state if checkpoint else "without a checkpoint"}'
        )


def allowed(max_bad_images: float, num_images: int) -> int:
    """A number of images, from a number or a share of them.

    Raises:
        ValueError: Neither a whole number from 0 nor a share below 1.
    """
    is_number = isinstance(max_bad_images, int | float) and not isinstance(max_bad_images, bool)
    if is_number and 0 < max_bad_images < 1:
        return int(max_bad_images * num_images)
    if is_number and max_bad_images >= 0 and max_bad_images == int(min(max_bad_images, 1e15)):
        return int(max_bad_images)
    raise ValueError(
        f'ImageFiles.max_bad_images is {max_bad_images!r}: expected a number of images, such as '
        '100, or a share of them between 0 and 1, such as 0.01'
    )


def write_paths(file: Path, paths: Iterable[str]) -> None:
    """One path a line, line breaks in a path escaped; the file is whole or as it was."""
    with replaced_when_whole(file) as partial, open(partial, 'wb') as lines:
        for path in paths:
            line = path.replace('\n', '\\n') + '\n'
            lines.write(line.encode('utf-8', 'surrogateescape'))
