"""Images a second of feature extraction, against a plain loop over torchvision's ImageFolder."""

import shutil
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, NamedTuple

import cv2
import torch
import torch.nn.functional as F
from mmengine.config import Config
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize
from torchvision.transforms import ToTensor as ToFloat

from dinomm.datasets import CenterView, ImageFiles, LoadImage, PackViews
from dinomm.evaluation.features import Extraction, Reader, extract
from dinomm.evaluation.network import FrozenNetwork, build_backbone, build_preprocessor
from dinomm.models.tokens import encode

from .augment import QUALITY, compare_in_turns, report, write_photographs

NETWORKS: dict[str, dict[str, Any]] = {
    'vit-0.5m': {
        'type': 'dinomm.DINOVisionTransformer',
        'arch': {'embed_dims': 96, 'num_layers': 4, 'num_heads': 3, 'feedforward_channels': 384},
        'img_size': 224,
        'patch_size': 32,
    },
    'resnet18': {'type': 'mmpretrain.ResNet', 'depth': 18},
    'vit-small-p16': {
        'type': 'dinomm.DINOVisionTransformer',
        'arch': 'deit-small',
        'patch_size': 16,
    },
}
"""Backbones by name, from one that waits for the images to one that they wait for."""

VIEW, SHORT_SIDE = 224, 256
LEAST_COSINE = 0.99
"""Between the features of both ways: they resize by two libraries."""


class FeatureSize(NamedTuple):
    """How much is measured.

    Attributes:
        network: A name of ``NETWORKS``.
        images: JPEGs in a measurement.
        long_side: Of an image, in pixels.
        batch: Images at once.
        workers: Of the DataLoader.
        threads: Of the network.
        rounds: Measurements of each, in turns.
    """

    network: str = 'vit-0.5m'
    images: int = 512
    long_side: int = 500
    batch: int = 64
    workers: int = 2
    threads: int = 1
    rounds: int = 5


def compare_extractions(size: FeatureSize, show: Callable[[str], None]) -> dict:
    """Measures both in turns on the same JPEGs and the same backbone, decoding included.

    Returns:
        Medians and ratios as plain numbers, and the least cosine between the features.

    Raises:
        ValueError: The two ways give different features.
    """
    torch.set_num_threads(size.threads)
    cv2.setNumThreads(0)
    config = Config({'model': {'backbone': NETWORKS[size.network]}})
    network = FrozenNetwork(build_backbone(config), build_preprocessor(config))
    torch.nn.Module.train(network, False)
    network.to('cuda' if torch.cuda.is_available() else 'cpu').requires_grad_(False)
    with TemporaryDirectory() as folder:
        write_images(Path(folder, 'images'), size)
        ways = {
            'dinomm': lambda: by_dinomm(network, Path(folder), size),
            'plain loop': lambda: by_plain_loop(network, Path(folder), size),
        }
        ours, plain = (way() for way in ways.values())  # also warms up
        cosine = F.cosine_similarity(ours, plain).min().item()
        if cosine < LEAST_COSINE:
            raise ValueError(f'the features differ (cosine {cosine:.3f}): nothing was timed')
        speeds = compare_in_turns(
            {name: lambda way=way: timed(way, size.images) for name, way in ways.items()},  # type: ignore[misc]
            size.rounds,
        )
    report(f'{size.network}, JPEGs of {size.long_side} pixels', speeds, show)
    return {'size': size._asdict(), 'least_cosine': cosine, **speeds}


def write_images(folder: Path, size: FeatureSize) -> None:
    """The embedded photographs as JPEGs of a long side, again and again, as files of a class."""
    folder.mkdir(parents=True)
    with TemporaryDirectory() as originals:
        for path in write_photographs(Path(originals)):
            with Image.open(path) as picture:
                scale = size.long_side / max(picture.size)
                sides = (round(picture.width * scale), round(picture.height * scale))
                picture.resize(sides, Image.Resampling.BICUBIC).save(path, quality=QUALITY)
        paths = sorted(Path(originals).iterdir())
        for i, path in enumerate(islice(cycle(paths), size.images)):
            shutil.copy(path, folder / f'{i:05d}.jpg')


def by_dinomm(network: FrozenNetwork, folder: Path, size: FeatureSize) -> Tensor:
    """Features (N, C) as the evaluations compute them."""
    pipeline = [LoadImage(), CenterView(VIEW, SHORT_SIDE), PackViews()]
    how = Extraction(size.batch, size.workers, tell=lambda line: None)
    return extract(network, ImageFiles(folder, pipeline), Reader(), how).rows


@torch.no_grad()
def by_plain_loop(network: FrozenNetwork, folder: Path, size: FeatureSize) -> Tensor:
    """Features (N, C) as DINO's published k-NN evaluation computes them."""
    transform = Compose(
        [
            Resize(SHORT_SIDE, InterpolationMode.BICUBIC),
            CenterCrop(VIEW),
            ToFloat(),
            Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    loader = DataLoader(
        ImageFolder(folder, transform),
        batch_size=size.batch,
        num_workers=size.workers,
        pin_memory=torch.cuda.is_available(),
    )
    device = next(network.parameters()).device
    features = []
    for images, _ in loader:
        features.append(encode(network.backbone, images.to(device)).view.cpu())
    return torch.cat(features)


def timed(way: Callable[[], Tensor], images: int) -> float:
    """Images a second, the start of the workers included."""
    start = perf_counter()
    way()
    return images / (perf_counter() - start)
