"""What the command line's data change in a config."""

import os
from pathlib import Path

from mmengine.config import Config

from dinomm.classifier_config import is_classifier, set_classifier_data
from dinomm.data_paths import find_labels, is_url, require_root, train_folder
from dinomm.detector_config import is_detector, set_detector_data


def set_data(config: Config, root: str | None, data_root: str | None = None) -> None:
    """Takes a person's own data: images for pretraining, COCO annotations for a detector.

    Args:
        config: Gets them.
        root: What --data says; without it the config stays, but for what ``coco_data`` names.
        data_root: What --data-root says: where the paths of a list begin.

    Raises:
        ValueError: There is nothing at the root, or it is faulty; a data_root without a list.
    """
    if data_root is not None:
        require_list(config, root, data_root)
    if is_detector(config):
        set_detector_data(config, root)
    elif root is not None:
        set_images(config, root, data_root)


def require_list(config: Config, root: str | None, data_root: str) -> None:
    """Checks that --data-root is of use.

    Raises:
        ValueError: --data is no list of images, or there is no such folder.
    """
    if is_detector(config) or root is None or not root.endswith('.txt'):
        raise ValueError(
            f'--data-root {data_root} is where the paths of a list begin, but --data is '
            f'{root or "not given"}: leave it out, or give a list of images (.txt) by --data'
        )
    if not is_url(data_root) and not Path(data_root).expanduser().is_dir():
        raise ValueError(f'--data-root {data_root} is no folder: name the one of the images')


def set_images(config: Config, root: str, data_root: str | None = None) -> None:
    """Trains on a person's own images, and validates on them by k-NN where they have labels.

    A classifier is another matter: see `dinomm.classifier_config`.

    ``root/train`` and ``root/val`` are used if both exist. Else all is trained on, and a fifth of
    the images is held out as queries of the k-NN (their labels, not their pixels). Without two
    classes there is no validation. Classes are the folders on the first level, in
    shards those of the members' paths, else the labels of a list file or of ``.cls`` members.

    Args:
        config: Gets the roots, parts and labels of its data sets.
        root: As of :class:`~dinomm.datasets.image_files.ImageFiles`.
        data_root: Likewise.

    Raises:
        ValueError: There is nothing at the root.
    """
    if is_classifier(config):
        set_classifier_data(config, root, data_root)
        return
    require_root(root, '--data')
    root = root if is_url(root) else os.path.expanduser(root)
    train = train_folder(root)
    split = train != root
    config.train_dataloader.dataset.update(root=train, data_root=data_root)
    if config.get('val_cfg') is None:
        return
    has_labels, labels = find_labels(train, data_root)
    if not has_labels:
        drop_validation(config)
        return
    val = os.path.join(root, 'val') if split else root
    parts = ('all', 'all') if split else ('train', 'val')
    support, queries = config.val_cfg.support_dataloader.dataset, config.val_dataloader.dataset
    for dataset, path, part in zip((support, queries), (train, val), parts, strict=True):
        dataset.update(root=path, part=part, labels=labels, data_root=data_root)
    if config.get('test_cfg') is not None:
        config.test_dataloader = config.val_dataloader
        config.test_cfg.support_dataloader = config.val_cfg.support_dataloader


def drop_validation(config: Config) -> None:
    """Leaves the validation out, and the best checkpoint by it."""
    for part in ('dataloader', 'cfg', 'evaluator'):
        config[f'val_{part}'] = None
        config[f'test_{part}'] = None
    config.default_hooks.checkpoint.pop('save_best', None)
