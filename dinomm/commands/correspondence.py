"""Whether regions find themselves in the mirrored, jittered, grey view (EsViT)."""

import argparse
from typing import Any

from mmengine.config import Config

from . import evaluate as common


def add_options(parser: Any) -> None:
    """How many pairs count."""
    parser.add_argument('--pairs', type=int, default=10, help='most similar regions of an image')


def evaluate(config: Config, args: argparse.Namespace) -> dict:
    """Accuracy and distance of the best pairs of each image."""
    from dinomm.evaluation.correspondence import AddMirroredView, measure_correspondence
    from dinomm.evaluation.network import evaluation_loader

    if args.pairs < 1:
        raise ValueError(f'--pairs is {args.pairs}: expected at least 1')
    batches = evaluation_loader(config, args.data, [AddMirroredView()], args.images)
    return measure_correspondence(common.load(config, args), batches, args.pairs)
