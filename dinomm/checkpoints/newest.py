"""The checkpoint that a run goes on from."""

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

from .files import load_file

NAME = re.compile(r'(epoch|iter)_\d+\.pth')
Written = tuple[str, int]


def newest_whole(folder: Path, warn: Callable[[str], None]) -> Path | None:
    """The last written checkpoint of a folder that a run can be resumed from.

    Checkpoints are ordered by the time that they hold, then by their iteration: neither a copied
    folder nor one with files of an abandoned attempt misleads.

    Args:
        folder: Of ``epoch_N.pth`` and ``iter_N.pth``.
        warn: Is told which files are left out, and why.

    Returns:
        None if there are no such files.

    Raises:
        ValueError: There are some, and none is whole.
    """
    files = sorted(path for path in folder.glob('*.pth') if NAME.fullmatch(path.name))
    written: dict[Path, Written] = {}
    for path in files:
        try:
            written[path] = _when_written(path)
        except (ValueError, OSError) as error:
            named = str(error) if str(path) in str(error) else f'checkpoint {path}: {error}'
            warn(f'{named}: it is left out')
    for path in sorted(written, key=lambda path: written[path], reverse=True):
        damaged = _damaged_part(path)
        if damaged is None:
            return path
        warn(f'checkpoint {path} is damaged ({damaged}): it is left out')
    if files:
        names = ', '.join(path.name for path in files)
        raise ValueError(
            f'none of the checkpoints in {folder} is whole ({names}): remove them to begin anew, '
            'or name a whole one by --resume FILE'
        )
    return None


def _when_written(path: Path) -> Written:
    """Time and iteration, without reading the tensors."""
    if not path.stat().st_size:
        raise ValueError(f'checkpoint {path} is empty')
    content = load_file(path, mmap=_is_zip(path))
    meta = content.get('meta')
    if not isinstance(meta, dict) or 'iter' not in meta or 'optimizer' not in content:
        raise ValueError(f'checkpoint {path} holds no state of training')
    if not isinstance(meta['iter'], int):
        raise ValueError(f'checkpoint {path} counts its iterations as {meta["iter"]!r:.40}')
    return str(meta.get('time', '')), meta['iter']


def _is_zip(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:  # of several disks, or so it says
        return False


def _damaged_part(path: Path) -> str | None:
    """The first part of the file whose checksum does not fit."""
    if not _is_zip(path):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip()
    except Exception as error:  # zipfile and its decompressors raise nearly everything
        return str(error) or type(error).__name__
