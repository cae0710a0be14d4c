"""Query images and the nearest images of a folder, by the similarity of their features."""

import argparse
import os
from pathlib import Path
from typing import Any

from mmengine.config import Config

from dinomm.commands import evaluate
from dinomm.commands import visualize as common
from dinomm.data_paths import require_root


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
    require_root(args.among, '--among')
    from dinomm.evaluation.features import Reader, extract
    from dinomm.evaluation.images import read_picture
    from dinomm.evaluation.labelled import folder_images, spread
    from dinomm.evaluation.neighbors import nearest_neighbors
    from dinomm.evaluation.views import view_features
    from dinomm.visualization.neighbours import Neighbour, neighbour_sheet

    pictures = [read_picture(path) for path in queries]
    images = folder_images(config, args.among, args.data_root)
    network = evaluate.load(config, args)
    how = common.extraction(config, args)
    support = extract(network, spread(images, args.limit), Reader(), how)
    found = nearest_neighbors(support.rows, view_features(network, config, queries), args.k + 1)
    labels = [] if support.labels is None else support.labels.tolist()
    places = {os.path.realpath(path): row for row, path in enumerate(support.paths)}
    stored = common.StoredPictures(images)

    def neighbours(query: int) -> list[Neighbour]:
        itself = places.get(os.path.realpath(queries[query]))
        own_class = _class_of(queries[query], itself, labels, images)
        shown: list[Neighbour] = []
        rows, cosines = found.row[query].tolist(), found.cosine[query].tolist()
        for row, cosine in zip(rows, cosines, strict=True):
            if row == itself or len(shown) == args.k:
                continue
            path = support.paths[row]
            is_same = None if own_class is None else labels[row] == own_class
            shown.append(Neighbour(stored.picture(path), common.caption(path), cosine, is_same))
        return shown

    names = [common.caption(path) for path in queries]
    neighbour_sheet(pictures, names, list(map(neighbours, range(len(queries)))), args.out)


def _class_of(path: str, row: int | None, labels: list[int], images: Any) -> int | None:
    """A query's class: its label if it is in the folder, else by the name of its own folder."""
    if not labels:
        return None
    if row is not None:
        return labels[row]
    names = images.metainfo.get('classes', ())
    name = Path(path).resolve().parent.name
    return names.index(name) if name in names else None
