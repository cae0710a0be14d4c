#!/usr/bin/env python3
"""Packs images into tar shards: python tools/pack_shards.py FOLDER OUT [--labels folder]."""

import argparse
import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dinomm.data_paths import require_root
from dinomm.launch import run_tool


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('source', metavar='FOLDER', help='folder of images, or a list file (.txt)')
    parser.add_argument('out', metavar='OUT', type=Path, help='new folder for the shards')
    parser.add_argument(
        '--shard-size',
        default='1G',
        metavar='SIZE',
        help="bytes with a unit ('500M', '1G'), or a number of images (default: 1G)",
    )
    parser.add_argument(
        '--labels',
        choices=['folder'],
        help='write the number of the first folder as label (a list file brings its own labels)',
    )
    parser.add_argument('--name', help="of the shards NAME-000000.tar (default: the folder's)")
    parser.add_argument('--data-root', help="what a list file's paths are relative to")
    parser.add_argument(
        '--shuffle',
        type=int,
        metavar='SEED',
        help='pack in random order; dinomm shuffles by itself, other readers may not',
    )
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Packs."""
    require_root(args.source, 'FOLDER')
    from dinomm.datasets.listing import find_images
    from dinomm.datasets.packing import numbered_by_folder, pack, parse_size
    from dinomm.progress import Progress

    size = parse_size(args.shard_size)
    listing = find_images(args.source, args.data_root)
    if args.labels == 'folder':
        listing = numbered_by_folder(listing)
    name = args.name or Path(args.source).expanduser().resolve().stem
    out = args.out.expanduser()
    progress = Progress(lambda line: print(line, flush=True), seconds=5)
    packed = pack(listing, out, name, size, progress, args.shuffle)
    print(
        f'{packed.images:,} images in {len(packed.shards):,} shards, '
        f'{packed.size / 1e6:,.1f} MB: {packed.shards[0]} to {packed.shards[-1].name}\n'
        f'Train on them with: python tools/train.py CONFIG --data {shlex.quote(str(out))}'
    )


if __name__ == '__main__':
    arguments = parse_args()
    sys.exit(run_tool(lambda: main(arguments)))
