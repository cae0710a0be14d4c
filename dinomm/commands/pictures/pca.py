"""Principal components of the region features as colours, shared by all images."""

import argparse
from typing import Any

from mmengine.config import Config

from dinomm.commands import visualize as common


def add_options(parser: Any) -> None:
    """Network, images, background."""
    common.add_network(parser)
    common.add_images(parser)
    common.add_size(parser)
    parser.add_argument(
        '--background',
        choices=['keep', 'low', 'high'],
        default='keep',
        help='leave out what lies low, or high, on the first component (%(default)s)',
    )


def draw(config: Config, args: argparse.Namespace) -> None:
    """A sheet of all images."""
    from dinomm.evaluation.whole_pictures import region_map
    from dinomm.visualization.pca import feature_colors, pca_sheet

    network, pictures, names = common.whole_pictures(config, args)
    features = [region_map(network, picture) for picture in pictures]
    pca_sheet(pictures, feature_colors(features, args.background), names, args.out)
