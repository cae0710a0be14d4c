"""What the command line changes in the config of a classifier, mmpretrain's ``ImageClassifier``."""

import os
from pathlib import Path
from typing import Any

from mmengine.config import Config

from dinomm.data_paths import find_labels, is_url, require_root, train_folder

HELD_OUT = 0.2


def is_classifier(config: Config) -> bool:
    """Whether the config trains a classifier with labels."""
    name = (config.get('model') or {}).get('type', '')
    return isinstance(name, str) and name.rpartition('.')[2] == 'ImageClassifier'


def set_classifier_data(config: Config, root: str, data_root: str | None = None) -> None:
    """Trains and tests a classifier on a person's own labelled images.

    ``root/train`` and ``root/val`` are used if both exist; else a fifth of the images is tested
    on. The head gets as many classes as there are.

    Raises:
        ValueError: There is nothing at the root, or there are no two classes.
    """
    require_root(root, '--data')
    root = root if is_url(root) else os.path.expanduser(root)
    train = train_folder(root)
    has_labels, labels = find_labels(train, data_root)
    if not has_labels:
        raise ValueError(
            f'--data {root} shows no two classes: a classifier needs a folder for each class '
            f'({train}/<class>/...), or a list with labels'
        )
    own = {'root': train} if train != root else {'root': root, 'part': 'train'}
    other = {'root': str(Path(root, 'val'))} if train != root else {'root': root, 'part': 'val'}
    classes = class_names(train, labels, data_root)
    for loader, place in (('train', own), ('val', other), ('test', other)):
        dataset = config[f'{loader}_dataloader'].dataset
        dataset.update(place, labels=labels, classes=classes, data_root=data_root)
        if 'part' in place:
            dataset.val_fraction = HELD_OUT
    set_num_classes(config, len(classes))


def class_names(root: str, labels: str | None, data_root: str | None) -> tuple[str, ...]:
    """Names of the classes, sorted."""
    from dinomm.datasets import ImageFiles

    images = ImageFiles(root, labels=labels, data_root=data_root)  # type: ignore[arg-type]
    names = images.metainfo.get('classes')
    if names is None:
        numbers: Any = images.labels
        return tuple(map(str, range(int(numbers.max()) + 1)))
    return names


def set_num_classes(config: Config, number: int) -> None:
    """In the head, in what makes one-hot labels, and in the top-n that can be asked for."""
    config.model.head.num_classes = number
    for owner in (config.model, config):
        if owner.get('data_preprocessor') is not None:
            owner.data_preprocessor.num_classes = number
    for key in ('val_evaluator', 'test_evaluator'):
        evaluator = config.get(key)
        if isinstance(evaluator, dict) and evaluator.get('topk'):
            evaluator['topk'] = tuple(n for n in evaluator['topk'] if n <= number)
