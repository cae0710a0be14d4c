"""Image retrieval: mAP and mean precision of rankings by cosine.

--data names a folder of the revisited Oxford or Paris set (gnd_<set>.pkl or .json, which is read as
data and never run, and jpg/), else images with labels: then each asks for the others of its class.
"""

import argparse
from pathlib import Path
from typing import Any

from mmengine.config import Config

from . import evaluate as common
from . import labelled_features
from .folders import extraction, require_size, require_whole

BATCH_SIZE = 16


def add_options(parser: Any) -> None:
    """Size, scales and boxes."""
    parser.add_argument('--size', type=int, default=224, help='longer side at most, pixels (224)')
    parser.add_argument(
        '--multi-scale', action='store_true', help='mean over the scales 1, 0.71 and 0.5'
    )
    parser.add_argument(
        '--crop-queries',
        action='store_true',
        help='cut queries to their boxes, as the sets define it; DINO looked at whole queries',
    )
    labelled_features.add_cache_options(parser)


def evaluate(config: Config, args: argparse.Namespace) -> dict:
    """Percentages, for each setting of the revisited sets."""
    from dinomm.evaluation.revisited import find_ground_truth

    require_size(args.size)
    folder = None if args.data is None else Path(args.data).expanduser()
    ground_truth = find_ground_truth(folder) if folder and folder.is_dir() else None
    if ground_truth:
        return _of_revisited(config, args, ground_truth)
    return _of_labels(config, args)


def _of_revisited(config: Config, args: argparse.Namespace, path: Path) -> dict:
    from dinomm.evaluation.images import Pictures
    from dinomm.evaluation.ranking import ranking_quality
    from dinomm.evaluation.retrieval import Thumbnail, as_figures
    from dinomm.evaluation.revisited import read_ground_truth

    require_whole(args, 'a revisited set')
    truth = read_ground_truth(path)
    boxes = truth.boxes if args.crop_queries else None
    describe = _describer(config, args)
    database = describe(Pictures(truth.images, Thumbnail(args.size)), 'images')
    queries = describe(Pictures(truth.queries, Thumbnail(args.size, boxes)), 'queries')
    qualities = ranking_quality(queries, database, list(truth.relevance.values()))
    return {
        **{s: as_figures(q) for s, q in zip(truth.relevance, qualities, strict=True)},
        'images': len(database),
        'queries': len(queries),
    }


def _of_labels(config: Config, args: argparse.Namespace) -> dict:
    from dinomm.evaluation.ranking import leave_one_out, ranking_quality
    from dinomm.evaluation.retrieval import Thumbnail, as_figures, labelled_pictures

    if args.crop_queries:
        raise ValueError('--crop-queries: only the revisited sets have boxes, leave it away')
    pictures, labels = labelled_pictures(
        config, args.data, Thumbnail(args.size), args.images, args.data_root
    )
    features = _describer(config, args)(pictures, 'images')
    relevance = leave_one_out(labels)
    (quality,) = ranking_quality(features, features, [relevance])
    return {
        **as_figures(quality),
        'images': len(labels),
        'queries': sum(len(answer.positives) > 0 for answer in relevance),
    }


def _describer(config: Config, args: argparse.Namespace) -> Any:
    from dinomm.evaluation.images import describe_pictures
    from dinomm.evaluation.retrieval import SCALES, RetrievalFeatures

    network, how = common.load(config, args), extraction(config, args, BATCH_SIZE)
    features = RetrievalFeatures(SCALES if args.multi_scale else (1.0,))
    return lambda pictures, name: describe_pictures(network, pictures, features, how, name)
