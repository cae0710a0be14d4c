"""Query images and the nearest images of a folder, by the similarity of their features."""

import argparse
import os
from typing import Any

from mmengine.config import Config

from dinomm.commands import evaluate
from dinomm.commands import visualize as common


def add_options(parser: Any) -> None:
    """Network, queries, where to look."""
    common.add_network(parser)
    common.add_images(parser)
    parser.add_argument(
        '--among', required=True, metavar='FOLDER', help='folder, list or shards to search'
    )
    parser.add_argument('--k', type=int, default=8, help='neighbours of a query (%(default)s)')
    common.add_extraction(parser)


def draw(config: Config, args: argparse.Namespace) -> None:
    """A row for each query; an image is no neighbour of itself."""
    common.require_positive(args, 'k')
    queries = common.image_paths(args.images)
    from dinomm.evaluation.features import Reader, extract
    from dinomm.evaluation.images import read_picture
    from dinomm.evaluation.labelled import folder_images, spread
    from dinomm.evaluation.neighbors import nearest_neighbors
    from dinomm.evaluation.views import view_features
    from dinomm.visualization.neighbours import Neighbour, neighbour_sheet

    pictures = [read_picture(path) for path in queries]
    images = folder_images(config, args.among)
    network = evaluate.load(config, args)
    how = common.extraction(config, args)
    support = extract(network, spread(images, args.limit), Reader(), how)
    places = {os.path.realpath(path): row for row, path in enumerate(support.paths)}
    own = [places.get(os.path.realpath(path)) for path in queries]
    found = nearest_neighbors(support.rows, view_features(network, config, queries), args.k + 1)
    stored = common.StoredPictures(images)
    neighbours = []
    for itself, cosines, rows in zip(own, found.cosine.tolist(), found.row.tolist(), strict=True):
        pairs = [(row, value) for row, value in zip(rows, cosines, strict=True) if row != itself]
        neighbours.append(
            [
                Neighbour(
                    stored.picture(support.paths[row]),
                    stored.name(support.paths[row]),
                    cosine,
                    _is_same(support.labels, itself, row),
                )
                for row, cosine in pairs[: args.k]
            ]
        )
    names = [stored.name(path) for path in queries]
    neighbour_sheet(pictures, names, neighbours, args.out)


def _is_same(labels: Any, itself: int | None, row: int) -> bool | None:
    if labels is None or itself is None:
        return None
    return bool(labels[itself] == labels[row])
