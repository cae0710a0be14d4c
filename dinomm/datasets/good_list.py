"""A list file of the images that can be read."""

import os
from collections.abc import Callable, Collection
from pathlib import Path

from dinomm.data_paths import is_url, train_folder
from dinomm.visualization.files import replaced_when_whole

from .listing import Listing
from .storage import LocalFiles


def require_list(file: str, root: str, listing: Listing) -> None:
    """Checks that images can be listed.

    Raises:
        ValueError: They lie in shards or at a URL, are of two parts, or the name is no list's.
    """
    if not file.lower().endswith('.txt'):
        raise ValueError(f'--good is {file}: a list file that --data takes ends in .txt')
    if not isinstance(listing.storage, LocalFiles):
        raise ValueError(
            f'--good lists files, but the images of {root} are in shards or at a URL: leave it '
            'out, training replaces broken images by itself'
        )
    if not is_url(root) and train_folder(os.path.expanduser(root)) != os.path.expanduser(root):
        raise ValueError(
            f'--good: {root} has the parts train and val, each of which needs a list of its own: '
            f'check {root}/train and {root}/val'
        )


def write_good(
    file: str,
    listing: Listing,
    labels: list[str] | None,
    bad: Collection[int],
    tell: Callable[[str], None],
) -> None:
    """Writes ``path [label]`` lines, in the listing's order, which ``read_list`` reads.

    The paths begin where the listing's do.

    Args:
        file: Whole or as it was.
        listing: Files of this machine.
        labels: One an image. Names with spaces, which a list cannot hold, become their numbers.
        bad: Rows that are left out.
        tell: Is told what the list does not hold as it was.
    """
    if labels is not None and any(not _is_word(label) for label in set(labels)):
        number = {name: str(i) for i, name in enumerate(sorted(set(labels)))}
        labels = [number[label] for label in labels]
        tell('class names with spaces: the list has their numbers, by the order of the names')
    left_out = 0
    with replaced_when_whole(Path(file).expanduser()) as partial, open(partial, 'wb') as lines:
        for row, path in enumerate(listing.paths):
            if row in bad:
                continue
            if '\n' in path or ('\t' in path and labels is not None):
                left_out += 1
                continue
            line = f'{path}\n' if labels is None else f'{path} {labels[row]}\n'
            lines.write(line.encode('utf-8', 'surrogateescape'))
    if left_out:
        tell(f'{left_out:,} paths with a line break or a tab, which no list can hold, left out')


def _is_word(label: str) -> bool:
    return label.split() == [label]
