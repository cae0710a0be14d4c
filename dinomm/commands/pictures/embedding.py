"""A map of the images of a folder: their features in a plane, by PCA or UMAP.

Images in class folders are coloured by class.
"""

import argparse
from typing import Any

from mmengine.config import Config

from dinomm.commands import evaluate
from dinomm.commands import visualize as common
from dinomm.data_paths import require_root

MOST_THUMBNAILS = 300


def add_options(parser: Any) -> None:
    """Network, folder, method."""
    common.add_network(parser)
    parser.add_argument('folder', help='folder of images, list file or tar shards')
    parser.add_argument(
        '--method', choices=['pca', 'umap'], default='pca', help='umap needs umap-learn (pca)'
    )
    parser.add_argument(
        '--thumbnails', action='store_true', help='draw the images in place of points'
    )
    parser.add_argument('--seed', type=int, default=0, help='of UMAP')
    common.add_extraction(parser)


def draw(config: Config, args: argparse.Namespace) -> None:
    """The map of all images, or of --limit of them."""
    require_root(args.folder, 'the folder')
    from dinomm.evaluation.features import Reader, extract
    from dinomm.evaluation.labelled import folder_images, spread
    from dinomm.visualization.embedding import embed, embedding_map

    images = folder_images(config, args.folder, args.data_root)
    network = evaluate.load(config, args)
    chosen = spread(images, args.limit)
    if args.thumbnails and len(chosen) > MOST_THUMBNAILS:
        raise ValueError(
            f'--thumbnails of {len(chosen)} images would hide one another: --limit at most '
            f'{MOST_THUMBNAILS}'
        )
    features = extract(network, chosen, Reader(), common.extraction(config, args))
    pictures = None
    if args.thumbnails:
        stored = common.StoredPictures(images)
        pictures = [stored.picture(path) for path in features.paths]
    labels = None if features.labels is None else features.labels.tolist()
    embedding = embed(features.rows.float().numpy(), args.method, args.seed)
    embedding_map(embedding, args.out, labels, images.metainfo.get('classes'), pictures)
