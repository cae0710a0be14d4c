"""Lines between the most similar regions of two views of an image, or of two images."""

import argparse
from pathlib import Path
from typing import Any

from mmengine.config import Config

from dinomm.commands import evaluate
from dinomm.commands import visualize as common


def add_options(parser: Any) -> None:
    """Network, one image or two."""
    common.add_network(parser)
    parser.add_argument('image')
    parser.add_argument('image2', nargs='?', help='instead of a random view of IMAGE')
    parser.add_argument('--size', type=int, help="side of a view (the config's evaluation view)")
    parser.add_argument('--seed', type=int, default=0, help='of the random view')


def draw(config: Config, args: argparse.Namespace) -> None:
    """Both views and their ten best pairs."""
    common.require_positive(args, 'size')
    for image in filter(None, (args.image, args.image2)):
        if not Path(image).expanduser().is_file():
            raise ValueError(f'image {image} does not exist')
    from dinomm.evaluation.correspondence import best_pairs
    from dinomm.evaluation.network import view_size
    from dinomm.visualization.correspondence import correspondence_sheet, to_tensor, two_views

    views = two_views(args.image, args.image2, args.size or view_size(config), args.seed)
    first, second = map(to_tensor, views)
    correspondence_sheet(views, best_pairs(evaluate.load(config, args), first, second), args.out)
