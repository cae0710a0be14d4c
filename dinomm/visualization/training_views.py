"""The views that a config's training cuts, as the network gets them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from mmengine.config import Config

from dinomm.datasets.samplers import SampleKey
from dinomm.datasets.transforms import LoadImage
from dinomm.datasets.transforms.photometric import recolor
from dinomm.datasets.transforms.raw_view import RawView
from dinomm.evaluation.images import read_picture
from dinomm.registry import DATASETS, TRANSFORMS


class TrainingViews(NamedTuple):
    """What `dinomm.visualization.crops.crop_sheet` draws; a list entry for each photograph."""

    images: list[np.ndarray]
    views: list[list[np.ndarray]]
    boxes: list[list[Sequence[float]]]
    flips: list[list[bool]]


def views_of_files(config: Config, paths: Sequence[str], seed: int = 0) -> TrainingViews:
    """Cuts views from image files by the pipeline of ``train_dataloader``.

    Raises:
        BrokenImageError: A file cannot be read.
        ValueError: The config has no such pipeline.
    """
    pipeline = [TRANSFORMS.build(step) for step in _train_dataset(config)['pipeline']]
    samples = []
    for number, path in enumerate(paths):
        sample: Any = {'img_path': str(path), 'sample_key': SampleKey(seed, 0, number)}
        for transform in pipeline:
            sample = transform(sample)
        samples.append(sample)
    return _unpack(samples, [read_picture(path) for path in paths])


def views_of_training_images(config: Config, number: int = 4, seed: int = 0) -> TrainingViews:
    """Cuts views from so many of the config's own training images, evenly spread over all.

    Raises:
        ValueError: The config has no such pipeline, or its images are not there.
    """
    dataset = DATASETS.build(_train_dataset(config))
    indices = np.linspace(0, len(dataset) - 1, num=min(number, len(dataset))).astype(int).tolist()
    samples = [dataset[SampleKey(seed, 0, index)] for index in indices]
    dataset.pipeline = [LoadImage()]
    return _unpack(samples, [dataset[index]['img'] for index in indices])


def _train_dataset(config: Config) -> Any:
    dataset = (config.get('train_dataloader') or {}).get('dataset', {})
    if 'MultiCrop' not in str([step.get('type') for step in dataset.get('pipeline', ())]):
        raise ValueError(
            'train_dataloader.dataset.pipeline of the config has no MultiCrop: there are no views '
            'to draw'
        )
    return dataset


def _unpack(samples: Sequence[Any], images: list[np.ndarray]) -> TrainingViews:
    metas = [sample['data_samples'] for sample in samples]
    return TrainingViews(
        images,
        [[_picture(view) for view in sample['inputs']] for sample in samples],
        [[tuple(map(int, box)) for box in meta.boxes] for meta in metas],
        [[bool(flip) for flip in meta.flips] for meta in metas],
    )


def _picture(view: Any) -> np.ndarray:
    """(H, W, 3) of a view (3, H, W); colours that were left to the device are made here."""
    if isinstance(view, RawView):
        return recolor(_picture(view.images), view.steps)
    return np.ascontiguousarray(view.permute(1, 2, 0).numpy())
