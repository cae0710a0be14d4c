"""Image retrieval by the cosine of frozen features, at one scale or several.

DINO's protocol (arXiv:2104.14294, section 4.2.1) on the revisited Oxford and Paris sets
(arXiv:1803.11285), or on any images with labels: each asks for the others of its class.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from PIL import Image
from torch import Tensor

from dinomm.data_paths import find_labels, is_url, require_root, train_folder
from dinomm.datasets.transforms import LoadImage
from dinomm.registry import DATASETS

from .images import Prepare, ToPicture, encode_whole_patches, normalised
from .labelled import Images, labels, spread
from .network import FrozenNetwork
from .ranking import RankingQuality
from .revisited import Box

SCALES = (1.0, 1 / math.sqrt(2), 0.5)
SIZE = 224


@dataclass
class Thumbnail:
    """Shrinks a picture to fit a square (Lanczos, as published); see :data:`.images.Prepare`.

    Attributes:
        size: Of the longer side at most.
        boxes: Parts that are cut out before, (left, top, right, bottom) in pixels, one a picture.
    """

    size: int = SIZE
    boxes: Sequence[Box] | None = None

    def __call__(self, picture: np.ndarray, number: int) -> np.ndarray:
        """(H, W, 3) to (h, w, 3).

        Raises:
            ValueError: Nothing of the picture lies in its box.
        """
        if self.boxes is not None:
            picture = crop_to_box(picture, self.boxes[number])
        image = Image.fromarray(picture)
        image.thumbnail((self.size, self.size), Image.Resampling.LANCZOS)
        return np.asarray(image)


def crop_to_box(picture: np.ndarray, box: Box) -> np.ndarray:
    """The part within (left, top, right, bottom), pixels, rounded.

    Raises:
        ValueError: Nothing of the picture lies in the box.
    """
    left, top, right, bottom = (max(0, round(edge)) for edge in box)
    part = picture[top:bottom, left:right]
    if not part.size:
        raise ValueError(
            f'box {tuple(box)} holds nothing of a picture of {picture.shape[1]}x'
            f'{picture.shape[0]} pixels: expected left, top, right, bottom'
        )
    return part


def multi_scale_features(
    network: FrozenNetwork, images: Tensor, scales: Sequence[float] = SCALES
) -> Tensor:
    """View features, averaged over the scales and then L2-normalised, (N, C) float32.

    Args:
        network: In evaluation mode.
        images: (N, 3, H, W) normalised.
        scales: The images are resized by them (bilinear, not antialiased, as published).

    Raises:
        ValueError: An image is smaller than a patch.
    """
    features = []
    for scale in scales:
        resized = images
        if scale != 1:
            resized = F.interpolate(images, scale_factor=scale, mode='bilinear')
        features.append(encode_whole_patches(network, resized, regions=False).view.float())
    return F.normalize(torch.stack(features).mean(0), dim=1)


@dataclass(frozen=True)
class RetrievalFeatures:
    """Multi-scale features of pictures; see :data:`.images.Describe`."""

    scales: tuple[float, ...] = SCALES

    @torch.no_grad()
    def __call__(self, network: FrozenNetwork, pictures: list[Tensor]) -> Tensor:
        """Features (N, C) of pictures (3, H, W) uint8 of any sizes, in main memory.

        Pictures of one size go through the network together.

        Raises:
            ValueError: A picture is smaller than a patch.
        """
        features: list[Tensor] = [torch.empty(0)] * len(pictures)
        for shape in {picture.shape for picture in pictures}:
            alike = [i for i, picture in enumerate(pictures) if picture.shape == shape]
            images = normalised(network, torch.stack([pictures[i] for i in alike]))
            rows = multi_scale_features(network, images, self.scales).cpu()
            for i, row in zip(alike, rows, strict=True):
                features[i] = row
        return torch.stack(features)


def labelled_pictures(
    config: Config,
    data: str | None,
    prepare: Prepare,
    most: int | None = None,
    data_root: str | None = None,
) -> tuple[Images, Tensor]:
    """Images with labels, of a folder (its ``val`` beside a ``train``) or of ``val_dataloader``.

    Args:
        config: Whose ``val_dataloader`` names the images unless ``data`` does.
        data: Folder, list or shards with labels.
        prepare: Of the pictures.
        most: So many images at most, evenly spread over all.
        data_root: Where the paths of a list begin.

    Returns:
        A data set of pictures (3, H, W) uint8, and their labels (N,).

    Raises:
        ValueError: There are no images or no labels.
    """
    dataset_config = _val_images(config) if data is None else _folder_images(data, data_root)
    dataset_config['pipeline'] = [LoadImage(), ToPicture(prepare)]
    dataset = spread(DATASETS.build(dataset_config), most)
    numbers = labels(dataset)
    if numbers is None:
        raise _no_labels(dataset_config['root'])
    return dataset, numbers


def _val_images(config: Config) -> dict:
    loader = config.get('val_dataloader')
    if loader is None:
        raise ValueError('the config has no val_dataloader: name images with labels by --data')
    require_root(loader.dataset.root, 'val_dataloader.dataset.root', 'give by --data')
    return dict(loader.dataset)


def _folder_images(data: str, data_root: str | None) -> dict:
    require_root(data, '--data')
    root = data if is_url(data) else os.path.expanduser(data)
    if train_folder(root) != root:
        root = os.path.join(root, 'val')
    has_labels, kind = find_labels(root, data_root)
    if not has_labels:
        raise _no_labels(root)
    images = {'type': 'ImageFiles', '_scope_': 'dinomm', 'root': root, 'data_root': data_root}
    return {**images, 'labels': kind}


def _no_labels(root: str) -> ValueError:
    return ValueError(
        f'the images of {root} are of no two classes: put them into a folder for each class, list '
        'them with labels, or give a folder of a revisited set (gnd_<set>.pkl and jpg/)'
    )


def as_figures(quality: RankingQuality) -> dict[str, float | None]:
    """Percentages: 'mAP', 'mP@<k>'; None where no query has a positive."""
    values = {'mAP': quality.mean_average_precision}
    values |= {f'mP@{k}': value for k, value in quality.mean_precision.items()}
    return {key: None if math.isnan(value) else 100 * value for key, value in values.items()}
