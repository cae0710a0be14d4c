"""Segmentation by attention: Jaccard of the heads' attention and annotated masks.

--data names a folder as VOCdevkit/VOC2012: ImageSets/Segmentation/val.txt, JPEGImages,
SegmentationClass or SegmentationObject. The backbone is a ViT with a class token.
"""

import argparse
from typing import Any

from mmengine.config import Config

from dinomm.progress import Countdown

from . import evaluate as common
from .folders import data_folder, require_size


def add_options(parser: Any) -> None:
    """Mass, size and masks."""
    parser.add_argument('--mass', type=float, default=0.6, help='of attention in a mask (0.6)')
    parser.add_argument('--size', type=int, default=480, help='of the square views, pixels (480)')
    parser.add_argument(
        '--masks',
        choices=['class', 'object', 'foreground'],
        default='class',
        help="an image's masks: one a class, one an object, or one of all objects (class)",
    )
    parser.add_argument('--subset', default='val', help='list in ImageSets/Segmentation (val)')


def evaluate(config: Config, args: argparse.Namespace) -> dict:
    """Percentages, means over the images."""
    from mmengine.dist import get_dist_info

    from dinomm.evaluation import attention_segmentation as segmentation
    from dinomm.evaluation.sharding import gather_objects, share_of_process

    require_size(args.size)
    segmentation.require_mass(args.mass)
    folder = data_folder(args, 'a folder as VOCdevkit/VOC2012')
    images = segmentation.find_annotated(folder, args.masks, args.subset, args.images)
    network = common.load(config, args)
    countdown = Countdown('images', len(images), common.show)
    overlaps = []
    for number in share_of_process(len(images)):
        overlaps.append(
            segmentation.measure_image(network, images[number], args.masks, args.mass, args.size)
        )
        countdown.add(get_dist_info()[1])
    return segmentation.summarise(gather_objects(overlaps))
