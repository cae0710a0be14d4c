"""Looks at a sample of the images."""

import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from mmengine.config import Config

SHEET = 'doctor_crops.png'
PHOTOGRAPHS = 4


class ImageSample(NamedTuple):
    """What a sample of the images says of all.

    Attributes:
        looked_at: How many images were decoded.
        images: In the data set.
        broken: A sentence for each that cannot be decoded; it names the file.
        sides: Median of the shorter side, in pixels.
        decode_seconds: Median of reading and decoding one, in one process.
    """

    looked_at: int
    images: int
    broken: tuple[str, ...]
    sides: float
    decode_seconds: float


def look_at_images(dataset: Any, number: int, seconds: float, seed: int = 0) -> ImageSample:
    """Decodes images that are spread over the whole set, the same in every call.

    Args:
        dataset: An ``ImageFiles``.
        number: Of images, at most.
        seconds: After which no further one is decoded.
        seed: Chooses them.
    """
    from dinomm.datasets.transforms import BrokenImageError, LoadImage

    load, broken, sides, times = LoadImage(), [], [], []
    begin = time.perf_counter()
    chosen = spread(len(dataset), number, seed)
    looked_at = 0
    for index in chosen:
        if looked_at and time.perf_counter() - begin > seconds:
            break
        looked_at += 1
        start = time.perf_counter()
        try:
            sample: Any = {'img_path': dataset.image_path(index)}
            content = dataset.storage.content(index, dataset.paths[index])
            if content is not None:
                sample['img_bytes'] = content
            picture = load.transform(sample)['img']
        except (BrokenImageError, OSError) as error:
            broken.append(str(error))
            continue
        times.append(time.perf_counter() - start)
        sides.append(min(picture.shape[:2]))
    return ImageSample(
        looked_at,
        len(dataset),
        tuple(broken),
        median(sides) if sides else 0.0,
        median(times) if times else 0.0,
    )


def spread(length: int, number: int, seed: int) -> list[int]:
    """One random index of each of ``number`` equal pieces, in random order."""
    number = min(number, length)
    rng = np.random.default_rng(seed)
    edges = np.linspace(0, length, number + 1)
    chosen = np.floor(rng.uniform(edges[:-1], edges[1:])).astype(int).clip(0, length - 1)
    return rng.permutation(np.unique(chosen)).tolist()


def draw_crops(config: Config, folder: str | Path) -> Path:
    """Writes a sheet of photographs with the views that training cuts.

    Raises:
        ValueError: The pipeline has no ``MultiCrop``.
        RuntimeError: Too many images are broken.
    """
    from dinomm.visualization.crops import crop_sheet
    from dinomm.visualization.training_views import views_of_training_images

    path = Path(folder, SHEET)
    crop_sheet(*views_of_training_images(config, PHOTOGRAPHS), path)
    return path
