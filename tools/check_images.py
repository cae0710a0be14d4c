#!/usr/bin/env python3
"""Finds broken images before training: python tools/check_images.py FOLDER [options].

Decodes every image as training does, and names those that cannot be read. Exit status: 0 if all
can be read, 5 if some cannot, 1 for an error, 2 for a wrong command line, 130 after Ctrl-C.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dinomm.launch import run_tool


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'images',
        metavar='FOLDER',
        help='folder of images, list file (.txt), tar shards or a URL, as --data takes them',
    )
    parser.add_argument('--data-root', help="what a list file's paths are relative to")
    parser.add_argument(
        '--workers',
        type=processes,
        default=cores(),
        metavar='N',
        help='processes that decode (default: the cores, here %(default)s)',
    )
    parser.add_argument(
        '--timeout',
        type=seconds,
        default=60.0,
        metavar='SECONDS',
        help='an image that takes longer counts as broken (default: %(default)g)',
    )
    parser.add_argument(
        '--output',
        default='bad_images.txt',
        metavar='FILE',
        help='gets the paths of the broken ones, one a line (default: %(default)s)',
    )
    parser.add_argument(
        '--good',
        metavar='FILE.txt',
        help='gets a list of the others, with their labels, that --data takes',
    )
    return parser.parse_args()


def cores() -> int:
    """Those that this process may use."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processes(text: str) -> int:
    """A number of processes."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is no whole number from 1')
    return int(text)


def seconds(text: str) -> float:
    """A time above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float('inf'):
        raise argparse.ArgumentTypeError(f'{text!r} is no number above 0')
    return number


def main(args: argparse.Namespace) -> None:
    """Checks."""
    from dinomm.data_paths import require_root

    require_root(args.images, 'FOLDER')
    from dinomm.commands.check_images import run

    run(args)


if __name__ == '__main__':
    arguments = parse_args()
    sys.exit(run_tool(lambda: main(arguments)))
