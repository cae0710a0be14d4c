"""Decodes all images of a data set, and says which are broken and which are unusual."""

import argparse
import os
import shlex
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from dinomm.data_paths import find_labels, is_url, require_root
from dinomm.datasets.bad_images import EXIT_STATUS, FILE, write_paths
from dinomm.datasets.check_pool import inspect_all
from dinomm.datasets.good_list import require_list, write_good
from dinomm.datasets.inspection import Finding
from dinomm.datasets.listing import Listing, find_images
from dinomm.progress import progress_bar

NAMED = 3
"""Broken images of a kind that are shown."""


class BrokenImagesFoundError(RuntimeError):
    """Some images cannot be read."""

    exit_status = EXIT_STATUS


class CheckInterruptedError(RuntimeError):
    """Ctrl-C came before the end."""

    exit_status = 130


class Tally:
    """What was found."""

    def __init__(self) -> None:
        self.faults: Counter[str] = Counter()
        self.traits: Counter[str] = Counter()
        self.bad: set[int] = set()
        self.examples: dict[str, list[tuple[int, str]]] = {}

    def add(self, row: int, finding: Finding) -> None:
        """Counts; the reasons of a few are kept."""
        if not finding.fault:
            self.traits.update(finding.traits)
            return
        self.bad.add(row)
        self.faults[finding.fault] += 1
        examples = self.examples.setdefault(finding.fault, [])
        if len(examples) < NAMED:
            examples.append((row, finding.reason))


def run(args: argparse.Namespace) -> None:
    """Checks, prints and writes.

    Raises:
        ValueError: The images cannot be found, or a file cannot be written where it should be.
        BrokenImagesFoundError: Some are broken.
        CheckInterruptedError: Ctrl-C.
    """
    require_root(args.images, 'FOLDER')
    for option, path in (('--output', args.output), ('--good', args.good)):
        if path is not None:
            require_writable(option, path, args.images)
    if args.good is not None and Path(args.good).absolute() == Path(args.output).absolute():
        raise ValueError(f'--output and --good are the same file, {args.good}: name two')
    listing = find_images(args.images, args.data_root)
    if args.good is not None:
        require_list(args.good, args.images, listing)
    print(f'{len(listing.paths):,} images in {args.images}', flush=True)
    tally, begin, interrupted = Tally(), time.monotonic(), False
    with progress_bar('images', len(listing.paths)) as progress:
        try:
            with closing(inspect_all(listing, args.workers, args.timeout, progress.add)) as found:
                for row, finding in found:
                    tally.add(row, finding)
        except KeyboardInterrupt:
            interrupted = True
    seconds = time.monotonic() - begin
    print_summary(tally, listing, progress.done, seconds)
    output = Path(args.output).expanduser()
    write_paths(output, sorted(listing.storage.name(i, listing.paths[i]) for i in tally.bad))
    if interrupted:
        raise CheckInterruptedError(
            f'interrupted after {progress.done:,} of {len(listing.paths):,} images: '
            f'{args.output} names the {len(tally.bad):,} broken ones among them'
        )
    if args.good is not None:
        labels = _labels(args.images, listing)
        write_good(args.good, listing, labels, tally.bad, _tell)
        folder = shlex.quote(str(listing.storage.folder))  # type: ignore[attr-defined]
        print(
            f'{args.good}: the good ones; python tools/train.py CONFIG --data '
            f'{shlex.quote(args.good)} --data-root {folder}'
        )
    if tally.bad:
        raise BrokenImagesFoundError(
            f'{len(tally.bad):,} of {len(listing.paths):,} images cannot be read, named in '
            f'{args.output}; training replaces them'
        )


def print_summary(tally: Tally, listing: Listing, done: int, seconds: float) -> None:
    """Kinds of faults with some examples, then what is unusual."""
    bad = len(tally.bad)
    print(f'{done:,} checked in {seconds:.1f} s: {done - bad:,} can be read, {bad:,} cannot')
    for fault, count in tally.faults.most_common():
        print(f'{count:9,} {fault}')
        for row, reason in sorted(tally.examples[fault]):
            name = listing.storage.name(row, listing.paths[row]).replace('\n', '\\n')
            print(f'{"":10}{name}: {reason}'.encode(errors='replace').decode())
    if tally.traits:
        print('unusual, but read:')
        for trait, count in tally.traits.most_common():
            print(f'{count:9,} {trait}')


def require_writable(option: str, path: str, images: str) -> None:
    """Checks, before hours of work, that a file can be written.

    Raises:
        ValueError: It cannot, or would replace what is checked.
    """
    file = Path(path).expanduser()
    if file.is_dir():
        raise ValueError(f'{option} is {path}, a folder: name a file such as {path}/{FILE}')
    if not is_url(images) and file.exists() and file.samefile(os.path.expanduser(images)):
        raise ValueError(f'{option} would replace {images}, which is to be checked: name another')
    parent = next(folder for folder in file.absolute().parents if folder.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise ValueError(f'{option} is {path}, but {parent} cannot be written to')


def _labels(root: str, listing: Listing) -> list[str] | None:
    """As ``tools/train.py --data`` takes them."""
    if listing.labels is not None:
        return listing.labels
    has_labels, kind = find_labels(os.path.expanduser(root))
    folders = [path.partition('/')[0] for path in listing.paths if '/' in path]
    if not has_labels or kind != 'folder' or len(folders) < len(listing.paths):
        return None
    return folders


def _tell(line: str) -> None:
    print(line, flush=True)
