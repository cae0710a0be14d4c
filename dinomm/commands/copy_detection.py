"""Copy detection: mAP of finding the originals of edited images.

--data names a folder in the layout of Copydays: original/ and strong/, where there are any crops/*/
and jpegqual/*/. The first four characters of a copy's name are those of its original's.
"""

import argparse
from typing import Any

from mmengine.config import Config

from . import evaluate as common
from . import labelled_features
from .folders import data_folder, extraction, require_size, require_whole

BATCH_SIZE = 16


def add_options(parser: Any) -> None:
    """Size, distractors and whitening."""
    parser.add_argument('--size', type=int, default=320, help='of the square views, pixels (320)')
    parser.add_argument(
        '--distractors', metavar='FOLDER', help='images that are ranked beside the originals'
    )
    parser.add_argument(
        '--whitening', metavar='FOLDER', help='other images, thousands, to learn a whitening from'
    )
    labelled_features.add_cache_options(parser)


def evaluate(config: Config, args: argparse.Namespace) -> dict:
    """Percentages; 'mAP' is that of the strong copies."""
    from dinomm.evaluation.copy_detection import (
        FOUND,
        CopyDescriptors,
        Square,
        find_copies,
        learn_whitening,
        originals_of,
    )
    from dinomm.evaluation.images import Pictures, describe_pictures, list_images
    from dinomm.evaluation.ranking import ranking_quality

    require_whole(args, 'a set of copies')
    require_size(args.size)
    copy_set = find_copies(data_folder(args, 'a folder with original/ and strong/'))
    distractors = list_images(args.distractors, '--distractors') if args.distractors else []
    others = list_images(args.whitening, '--whitening') if args.whitening else []
    relevance = {
        kind: originals_of(copies, copy_set.originals) for kind, copies in copy_set.copies.items()
    }
    network, how = common.load(config, args), extraction(config, args, BATCH_SIZE)

    def features(paths: list[str], name: str) -> Any:
        pictures = Pictures(paths, Square(args.size))
        return describe_pictures(network, pictures, CopyDescriptors(), how, name)

    whitening = learn_whitening(features(others, 'images of --whitening')) if others else None
    database = features(copy_set.originals + distractors, 'originals and distractors')
    database = whitening.apply(database) if whitening else database
    precision = {}
    for kind, copies in copy_set.copies.items():
        queries = features(copies, f'copies {kind}')
        queries = whitening.apply(queries) if whitening else queries
        (quality,) = ranking_quality(queries, database, [relevance[kind]], kept=FOUND)
        precision[kind] = 100 * quality.mean_average_precision
    return {
        'mAP': precision['strong'],
        **({'mAP of kinds': precision} if len(precision) > 1 else {}),
        'copies': len(copy_set.copies['strong']),
        'originals': len(copy_set.originals),
        'distractors': len(distractors),
        'images of whitening': len(others),
    }
