"""The views of training as the network gets them, and their boxes on the photographs."""

import argparse
from typing import Any

from mmengine.config import Config

from dinomm.commands import visualize as common
from dinomm.data_paths import require_root


def add_options(parser: Any) -> None:
    """Images and seed; there is no network."""
    parser.add_argument(
        'images',
        nargs='*',
        metavar='IMAGE',
        help="image files, or folders of them (four of the config's training images)",
    )
    parser.add_argument('--seed', type=int, default=0, help='of the views')


def draw(config: Config, args: argparse.Namespace) -> None:
    """A row for each photograph."""
    paths = common.image_paths(args.images)
    if args.seed < 0:
        raise ValueError(f'--seed is {args.seed}: expected a number from 0')
    if not paths:
        root = (config.get('train_dataloader') or {}).get('dataset', {}).get('root')
        if root is not None:
            require_root(root, 'train_dataloader.dataset.root', 'name by IMAGE')
    from dinomm.config_check import check_config
    from dinomm.visualization.crops import crop_sheet
    from dinomm.visualization.training_views import views_of_files, views_of_training_images

    check_config(config)
    views = (
        views_of_files(config, paths, args.seed)
        if paths
        else views_of_training_images(config, seed=args.seed)
    )
    crop_sheet(*views, args.out)
