"""Features of labelled images, as several evaluations read them."""

import argparse
from typing import Any

from mmengine.config import Config

from . import evaluate as common


def add_options(parser: Any) -> None:
    """Where features are kept, and how."""
    add_cache_options(parser)
    parser.add_argument('--feature-dtype', choices=['float32', 'float16'], default='float32')
    parser.add_argument('--seed', type=int, default=0, help='of everything that is drawn')


def add_cache_options(parser: Any) -> None:
    """Where features are kept."""
    parser.add_argument(
        '--cache', metavar='FOLDER', help='keeps features (features/ beside the checkpoint)'
    )
    parser.add_argument('--no-cache', action='store_true', help='keep no features on disk')


def add_regression_options(parser: Any) -> None:
    """What logistic regression takes."""
    parser.add_argument('--C', type=float, nargs='+', help='inverse penalties to choose from')
    add_hold_out(parser)


def add_hold_out(parser: Any) -> None:
    """The share that choices are made by."""
    parser.add_argument(
        '--hold-out',
        type=float,
        default=0.1,
        metavar='SHARE',
        help='of the training images, to choose by (%(default)s)',
    )


def extraction(config: Config, args: argparse.Namespace) -> Any:
    """How features are computed, as config and command line say."""
    from dinomm.evaluation.cache import FeatureCache
    from dinomm.evaluation.features import Extraction

    loader = config.get('val_dataloader') or {}
    beside = common.default_path(args.checkpoint, args.config, 'json').parent
    folder = args.cache or beside / 'features'
    return Extraction(
        batch_size=loader.get('batch_size', 64),
        workers=loader.get('num_workers', 0),
        cache=None if args.no_cache else FeatureCache(folder),
        tell=common.show,
    )


def train_and_test(
    network: Any, sets: Any, config: Config, args: argparse.Namespace, blocks: int = 0
) -> tuple[Any, Any]:
    """Features of the training and the test images.

    Args:
        network: See `dinomm.evaluation.network.load_network`.
        sets: See `dinomm.evaluation.labelled.labelled_sets`.
        config: Of the network.
        args: The command line.
        blocks: See `dinomm.evaluation.features.Reader`.
    """
    from dinomm.evaluation.features import Reader, extract
    from dinomm.evaluation.labelled import spread

    how, reader = extraction(config, args), Reader(blocks, args.feature_dtype)
    train = extract(network, spread(sets.train, args.images), reader, how, 'training images')
    test = extract(network, spread(sets.test, args.images), reader, how, 'test images')
    return train, test
