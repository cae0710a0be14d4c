"""The labelled images that an evaluation learns from and is tested on."""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from torch.utils.data import Subset

from dinomm.data_paths import find_labels, is_url, require_root, train_folder
from dinomm.datasets import ImageFiles
from dinomm.registry import DATASETS

Images = ImageFiles | Subset
HOLD_OUT = 0.2
"""Share of the images of a folder without train/ and val/ that are test images."""


class LabelledSets(NamedTuple):
    """Two sets of images with the same numbering of classes."""

    train: Images
    test: Images

    @staticmethod
    def labels(images: Images) -> torch.Tensor:
        """(N,) integers of a part of either set."""
        numbers = labels(images)
        if numbers is None:
            raise ValueError('the images have no labels')
        return numbers


def labelled_sets(
    config: Config, data: str | None = None, data_root: str | None = None
) -> LabelledSets:
    """The support set and the queries of a config's k-NN validation, or those of a folder.

    A folder's ``train`` and ``val`` are taken if both exist; else a fifth of its images, chosen by
    a hash of their paths, is tested on.

    Args:
        config: Its ``val_dataloader`` names the pipeline.
        data: Folder, list or shards with labels, in place of the config's.
        data_root: Where the paths of a list begin.

    Raises:
        ValueError: There are no images, no labels, or one class only.
    """
    train, test = _from_folder(config, data, data_root) if data else _from_config(config)
    train_set = DATASETS.build(train)
    if 'classes' in train_set.metainfo:
        test['classes'] = train_set.metainfo['classes']
    test_set = DATASETS.build(test)
    for dataset in (train_set, test_set):
        if dataset.labels is None:
            raise ValueError(
                f'the images of {dataset.root} have no labels, which this evaluation needs: put '
                'them into a folder for each class, or list them with labels'
            )
    if len(train_set.labels.unique()) < 2:
        raise ValueError(
            f'the training images of {train_set.root} are of one class: give at least 2 classes'
        )
    return LabelledSets(train_set, test_set)


def _from_config(config: Config) -> tuple[dict, dict]:
    loop = config.get('val_cfg') or {}
    if 'support_dataloader' not in loop or config.get('val_dataloader') is None:
        raise ValueError(
            'the config names no labelled images (val_cfg.support_dataloader and val_dataloader): '
            'give a folder by --data'
        )
    datasets = loop['support_dataloader'].dataset, config.val_dataloader.dataset
    for dataset in datasets:
        require_root(dataset['root'], 'val_dataloader.dataset.root', 'give by --data')
    return dict(datasets[0]), dict(datasets[1])


def _from_folder(config: Config, data: str, data_root: str | None) -> tuple[dict, dict]:
    if config.get('val_dataloader') is None:
        raise ValueError('the config has no val_dataloader: it names the pipeline of the images')
    require_root(data, '--data')
    root = data if is_url(data) else os.path.expanduser(data)
    train = train_folder(root)
    has_labels, labels = find_labels(train, data_root)
    if not has_labels:
        raise ValueError(
            f'--data {data} shows no two classes: put the images into a folder for each class '
            f'({train}/<class>/...), or list them with labels'
        )
    common = {
        'type': 'ImageFiles',
        'labels': labels,
        'data_root': data_root,
        'pipeline': config.val_dataloader.dataset.pipeline,
        '_scope_': 'dinomm',
    }
    if train != root:
        return {**common, 'root': train}, {**common, 'root': os.path.join(root, 'val')}
    common.update(root=root, val_fraction=HOLD_OUT)
    return {**common, 'part': 'train'}, {**common, 'part': 'val'}


def folder_images(config: Config, folder: str, data_root: str | None = None) -> ImageFiles:
    """All images of a folder, list or shards, with labels where they have any.

    Raises:
        ValueError: The config names no pipeline, or there is no image.
    """
    if config.get('val_dataloader') is None:
        raise ValueError('the config has no val_dataloader: it names the pipeline of the images')
    require_root(folder, 'the folder')
    root = folder if is_url(folder) else os.path.expanduser(folder)
    has_labels, labels = find_labels(root, data_root)
    return DATASETS.build(
        {
            'type': 'ImageFiles',
            '_scope_': 'dinomm',
            'root': root,
            'data_root': data_root,
            'labels': labels if has_labels else None,
            'pipeline': config.val_dataloader.dataset.pipeline,
        }
    )


def spread(dataset: Images, most: int | None) -> Images:
    """At most so many images, evenly spread over all."""
    if most is not None and most < 1:
        raise ValueError(f'--images is {most}: expected at least 1')
    if most is None or most >= len(dataset):
        return dataset
    return Subset(dataset, torch.linspace(0, len(dataset) - 1, most).round().int().tolist())


def whole(dataset: Images) -> ImageFiles:
    """The data set that the images are some of."""
    return dataset.dataset if isinstance(dataset, Subset) else dataset  # type: ignore[return-value]


def indices(dataset: Images) -> Sequence[int]:
    """The places of the images in the whole data set."""
    return dataset.indices if isinstance(dataset, Subset) else range(len(dataset))


def labels(dataset: Images) -> torch.Tensor | None:
    """(N,) integers, where the images have labels."""
    numbers: Any = whole(dataset).labels
    return None if numbers is None else numbers[torch.as_tensor(list(indices(dataset)))].long()
