"""What each head of the last block looks at, and the mean of the heads.

ViT: from the class token. Swin: what each cell of the last map is given in its window.
"""

import argparse
from typing import Any

from mmengine.config import Config

from dinomm.commands import visualize as common


def add_options(parser: Any) -> None:
    """Network, images, and where to look from."""
    common.add_network(parser)
    common.add_images(parser)
    common.add_size(parser)
    common.add_query(parser)
    parser.add_argument(
        '--mass', type=float, default=0.6, help='of attention in a mask (%(default)s)'
    )


def draw(config: Config, args: argparse.Namespace) -> None:
    """A sheet of all images."""
    from dinomm.evaluation.attention_segmentation import require_mass
    from dinomm.evaluation.whole_pictures import attention_of
    from dinomm.visualization.attention import attention_sheet

    require_mass(args.mass)
    network, pictures, names = common.whole_pictures(config, args)
    maps = [attention_of(network, picture, args.query) for picture in pictures]
    attention_sheet(pictures, maps, names, args.out, args.mass, args.query)
