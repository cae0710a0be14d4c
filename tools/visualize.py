#!/usr/bin/env python3
"""Draws what a network learned.

python tools/visualize.py correspondence CONFIG CHECKPOINT IMAGE [IMAGE2]
    the ten pairs of most similar regions, between two views of an image or between two images
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dinomm import launch


def add_correspondence(pictures) -> None:
    """Adds the picture of region correspondence."""
    parser = pictures.add_parser('correspondence', help='lines between the most similar regions')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='file of weights; its state_dict is looked at')
    parser.add_argument('image')
    parser.add_argument('image2', nargs='?', help='instead of a random view of IMAGE')
    parser.add_argument('--out', default='correspondence.png', help='PNG file to write')
    parser.add_argument('--size', type=int, help="side of a view (the config's evaluation view)")
    parser.add_argument('--seed', type=int, default=0, help='of the random view')
    parser.set_defaults(draw=draw_correspondence)


def draw_correspondence(args: argparse.Namespace) -> None:
    """Draws the picture."""
    config = launch.read_config(args.config)
    launch.set_checkpoint(config, args.checkpoint)
    from dinomm.evaluation.correspondence import best_pairs
    from dinomm.evaluation.network import load_network, view_size
    from dinomm.visualization.correspondence import correspondence_sheet, to_tensor, two_views

    views = two_views(args.image, args.image2, args.size or view_size(config), args.seed)
    network = load_network(config, args.checkpoint)
    first, second = map(to_tensor, views)
    correspondence_sheet(views, best_pairs(network, first, second), args.out)
    print(f'written to {args.out}')


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    pictures = parser.add_subparsers(dest='picture', required=True)
    add_correspondence(pictures)
    return parser.parse_args()


if __name__ == '__main__':
    arguments = parse_args()
    sys.exit(launch.run_tool(lambda: arguments.draw(arguments)))
