#!/usr/bin/env python3
"""Draws what a detector finds: python tools/demo_detection.py CONFIG CHECKPOINT IMAGE..."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dinomm import launch


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file of the detector')
    parser.add_argument('checkpoint', help='file that its training wrote')
    parser.add_argument('images', nargs='+', type=Path, help='image files, folders of them')
    parser.add_argument('--out', type=Path, default=Path('detections'), help='folder to write')
    parser.add_argument('--score-thr', type=float, default=0.5, help='least score to draw (0.5)')
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Draws, and prints what was found."""
    config = launch.read_config(args.config)
    launch.set_checkpoint(config, args.checkpoint)
    from dinomm.detection.demo import draw_detections

    images = [path.expanduser() for path in args.images]
    out = args.out.expanduser()
    for drawn in draw_detections(config, args.checkpoint, images, out, args.score_thr):
        found = ', '.join(f'{number} x {name}' for name, number in drawn.found.most_common())
        print(f'{drawn.image}: {found or "nothing"} -> {drawn.picture}')


if __name__ == '__main__':
    arguments = parse_args()
    sys.exit(launch.run_tool(lambda: main(arguments)))
