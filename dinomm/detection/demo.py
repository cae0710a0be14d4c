"""A detector's findings drawn into images."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mmengine.config import Config
from PIL import Image

from dinomm.visualization.files import replaced_when_whole

from .coco_data import palette, set_classes
from .cutouts import PHOTO_SUFFIXES

LEAST_SIDE = 480
"""Smaller images are enlarged by a whole number, so that names are readable."""


class Drawn(NamedTuple):
    """An image, the picture made of it, and how many objects of each class were found."""

    image: Path
    picture: Path
    found: Counter[str]


def draw_detections(
    config: Config, checkpoint: str, images: Iterable[Path], out: Path, score_thr: float = 0.5
) -> Iterator[Drawn]:
    """Draws boxes, masks, names and scores into images, one file in ``out`` for each.

    Args:
        config: Of the detector; its heads get the classes that the checkpoint was trained on.
        checkpoint: A file that training of the detector wrote.
        images: Files, and folders whose images are taken.
        out: Folder for the pictures, which are PNG.
        score_thr: Least score to draw, 0 to 1.

    Raises:
        ValueError: The checkpoint is of another detector, an image cannot be read, two images
            have one name, or the threshold makes no sense.
    """
    if not 0 <= score_thr <= 1:
        raise ValueError(f'--score-thr is {score_thr}: expected 0 to 1')
    files = _image_files(images)
    model = load_detector(config, checkpoint)
    from mmdet.apis import inference_detector
    from mmdet.visualization import DetLocalVisualizer

    visualizer = DetLocalVisualizer(name='detections')
    visualizer.dataset_meta = model.dataset_meta
    for file in files:
        sample = inference_detector(model, str(file)).cpu().numpy()
        found = sample.pred_instances[sample.pred_instances.scores >= score_thr]
        picture = np.asarray(Image.open(file).convert('RGB'))
        factor = math.ceil(LEAST_SIDE / min(picture.shape[:2]))
        sample.pred_instances = enlarge(found, factor)
        visualizer.add_datasample(
            'detections',
            picture.repeat(factor, axis=0).repeat(factor, axis=1),
            sample.to_tensor(),
            draw_gt=False,
            pred_score_thr=-1.0,
        )
        path = out / f'{file.stem}.png'
        with replaced_when_whole(path) as temporary:
            Image.fromarray(visualizer.get_image()).save(temporary, format='PNG')
        classes = model.dataset_meta['classes']
        yield Drawn(file, path, Counter(classes[label] for label in found.labels))


def enlarge(instances: Any, factor: int) -> Any:
    """Boxes (n, 4) and masks (n, H, W) of an image that is enlarged by a whole number."""
    instances = instances.clone()
    instances.bboxes = instances.bboxes * factor
    if 'masks' in instances:
        instances.masks = instances.masks.repeat(factor, axis=1).repeat(factor, axis=2)
    return instances


def load_detector(config: Config, checkpoint: str) -> Any:
    """A trained detector, on the GPU if there is one, with its classes and their colours.

    Raises:
        ValueError: The file holds no detector, or another than the config's.
    """
    from dinomm.checkpoints import compare_weights, load_file

    content = load_file(checkpoint)
    classes = (content.get('meta') or {}).get('dataset_meta', {}).get('classes')
    if not classes or 'state_dict' not in content:
        raise ValueError(
            f'checkpoint {checkpoint} names no classes: expected a file that the training of a '
            'detector wrote, not that of a pretraining'
        )
    set_classes(config, classes)
    import torch
    from mmdet.apis import init_detector

    device = 'cuda:0' if torch.cuda.is_available() else 'cpu'
    config.model.backbone.init_cfg = None
    model = init_detector(config, None, palette='random', device=device)
    coverage = compare_weights(model.state_dict(), content['state_dict'])
    if faults := coverage.faults():
        named = '; '.join(f'{len(names)} {kind}: {names[0]}' for kind, names in faults.items())
        raise ValueError(
            f'checkpoint {checkpoint} is of another detector than the config ({named}): give '
            'the config that it was trained with'
        )
    model.load_state_dict(content['state_dict'])
    model.dataset_meta = {'classes': tuple(classes), 'palette': palette(len(classes))}
    return model


def _image_files(images: Iterable[Path]) -> list[Path]:
    files = []
    for path in images:
        if not path.exists():
            raise ValueError(f'image {path} does not exist')
        inside = sorted(p for p in path.glob('*') if p.suffix.lower() in PHOTO_SUFFIXES)
        if path.is_dir() and not inside:
            raise ValueError(f'{path} has no images')
        files += inside if path.is_dir() else [path]
    for file in files:
        try:
            with Image.open(file) as picture:
                picture.load()
        except OSError as error:
            raise ValueError(f'image {file} cannot be read: {error}') from None
    stems = Counter(file.stem for file in files)
    for stem, number in stems.items():
        if number > 1:
            raise ValueError(
                f'{number} images are named {stem}, and their pictures would overwrite each other: '
                'draw them one after the other, each with its own --out'
            )
    return files
