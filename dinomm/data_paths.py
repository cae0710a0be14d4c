"""What a data set's root may look like; knows nothing of torch, so that mistakes show at once."""

import itertools
import os
import re
from pathlib import Path

COMPRESSED_TARS = ('.tar.gz', '.tgz', '.tar.bz2', '.tar.xz', '.tar.zst')
ROOTS = (
    'a folder of images, a list file (.txt), a .tar shard, a folder of shards or a pattern such as '
    "'train-{000000..000127}.tar'"
)


def is_url(root: str | Path) -> bool:
    """Whether fsspec has to read it: ``protocol://...``."""
    return isinstance(root, str) and re.match(r'[a-z][a-z0-9+.-]+(://|::)', root) is not None


def is_shard(name: str) -> bool:
    """Whether a path or URL names a tar file."""
    return _without_query(name).lower().endswith('.tar')


def is_compressed_shard(name: str) -> bool:
    """Whether a path or URL names a tar file that allows no random access."""
    return _without_query(name).lower().endswith(COMPRESSED_TARS)


def repack_advice(name: str) -> str:
    """Why a compressed tar file is refused, and what to do."""
    return (
        f'{name} is compressed, which rules out random access (and saves nothing on images): '
        'unpack it to a plain .tar with gunzip, bunzip2, unxz or unzstd'
    )


def expand_braces(pattern: str) -> list[str]:
    """``'a-{08..11}.tar'`` to ``['a-08.tar', ..., 'a-11.tar']``; ``{x,y}`` lists alternatives.

    Raises:
        ValueError: A range that does not ascend.
    """
    pieces = re.split(r'\{([^{}]*)\}', pattern)
    choices = [_choices(piece, pattern) if i % 2 else [piece] for i, piece in enumerate(pieces)]
    return [''.join(parts) for parts in itertools.product(*choices)]


def is_pattern(root: str | Path) -> bool:
    """Whether braces stand for several shards."""
    return re.search(r'\{[^{}]*(\.\.|,)[^{}]*\}', str(root)) is not None


DATA_ROOT_HELP = 'where the paths of a list begin (its own folder); / allows absolute ones'


def require_root(root: str | Path, name: str, advice: str = 'give') -> None:
    """Checks that there is something at a root; a URL is believed.

    Args:
        root: As of :class:`~dinomm.datasets.image_files.ImageFiles`.
        name: The config key or option that it comes from.
        advice: Stands before what a root may be.

    Raises:
        ValueError: There is nothing, or it is no path.
    """
    if not isinstance(root, str | Path):
        raise ValueError(f'{name} is {root!r:.100}, which is no path: {advice} {ROOTS}')
    if is_url(root) or os.path.exists(os.path.expanduser(root)):
        return
    if not is_pattern(root):
        raise ValueError(f'{name} is {root}, which does not exist: {advice} {ROOTS}')
    files = expand_braces(os.path.expanduser(root))
    missing = [file for file in files if not os.path.isfile(file)]
    if missing:
        raise ValueError(
            f'{name} is {root}, but {len(missing)} of its {len(files)} shards do not exist, the '
            f'first is {missing[0]}'
        )


def train_folder(root: str) -> str:
    """``root/train`` if there is ``root/val`` too, else ``root``."""
    parts = [os.path.join(root, part) for part in ('train', 'val')]
    return parts[0] if all(map(os.path.isdir, parts)) else root


def find_labels(root: str, data_root: str | None = None) -> tuple[bool, str | None]:
    """Whether images belong to two or more classes, and ``ImageFiles.labels`` that says so.

    Args:
        root: As of :class:`~dinomm.datasets.image_files.ImageFiles`.
        data_root: Likewise, for a list.
    """
    if is_image_folder(root):
        folders = [p for p in Path(root).iterdir() if p.is_dir() and not p.name.startswith('.')]
        return len(folders) > 1, 'folder'
    from dinomm.datasets.listing import find_images

    listing = find_images(root, data_root)
    first = {path.rpartition('/')[0].split('/', 1)[0] for path in listing.paths}
    if len(first) > 1 and '' not in first and not root.endswith('.txt'):
        return True, 'folder'
    return len(set(listing.labels or ())) > 1, None


def is_image_folder(root: str) -> bool:
    """Whether it is a folder on this machine that holds no shards on its first level."""
    return os.path.isdir(root) and not any(map(is_shard, os.listdir(root)))


def _without_query(name: str) -> str:
    return name.split('?', 1)[0] if is_url(name) else name


def _choices(inside: str, pattern: str) -> list[str]:
    limits = re.fullmatch(r'(\d+)\.\.(\d+)', inside)
    if not limits:
        return inside.split(',')
    first, last = map(int, limits.groups())
    if first > last:
        raise ValueError(f'{{{inside}}} in {pattern} does not ascend')
    width = len(limits[1]) if limits[1].startswith('0') else 0
    return [f'{number:0{width}}' for number in range(first, last + 1)]
