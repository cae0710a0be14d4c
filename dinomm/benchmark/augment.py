"""Images a second of the input pipeline, against the published one on the same files."""

import statistics
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader

from dinomm.datasets import EpochSampler, ImageFiles, collate_views
from dinomm.datasets.embedded import PHOTOS, write_photos
from dinomm.launch import read_config
from dinomm.models.preprocessor import MultiCropPreprocessor

from .plain_views import PlainViews

CONFIG = Path(__file__).parents[2] / 'configs/_base_/datasets/dino_2x224_8x96.py'
QUALITY = 95
LONG_SIDE = 500


class AugmentSize(NamedTuple):
    """How much is measured.

    Attributes:
        images: In each measurement of a DataLoader; a quarter of them on one core.
        rounds: Measurements of each pipeline, in turns.
        batch: Images a batch of the DataLoader; the config's by default.
        workers: Of the DataLoader.
    """

    images: int = 512
    rounds: int = 5
    batch: int = 64
    workers: int = 2


def compare_pipelines(size: AugmentSize, show: Callable[[str], None]) -> dict:
    """Measures dinomm's and the published pipeline in turns.

    First decoding and views alone on one core, then a DataLoader with workers, collating and the
    transfer to the device (CUDA if there is one) included. The published workers normalise and
    send floats; dinomm sends bytes, and is measured as they arrive and as the device has
    normalised them. Last, what ``MultiCrop(recolor_on_device=True)`` saves the worker and costs
    the device.

    Returns:
        Medians and ratios as plain numbers.

    Raises:
        ValueError: Too few images for the batches that the workers prepare ahead not to count.
    """
    if size.images < 4 * size.workers * size.batch:
        raise ValueError(
            f'--images {size.images} is too few for {size.workers} workers and batches of '
            f'{size.batch}: give at least {4 * size.workers * size.batch}'
        )
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    with TemporaryDirectory() as folder:
        files = islice(cycle(write_photographs(Path(folder))), size.images)
        listing = Path(folder, 'images.txt')
        listing.write_text('\n'.join(map(str, files)))
        ours, raw = dinomm_views(listing), dinomm_views(listing, recolor_on_device=True)
        plain = PlainViews([ours.image_path(i) for i in range(len(ours))])
        count = size.images // 4
        one_core = compare_in_turns(
            {
                'dinomm': lambda: time_samples(ours, count),
                'published': lambda: time_samples(plain, count),
            },
            size.rounds,
        )
        report('one core, decoding and views', one_core, show)
        to_device = compare_loaders(ours, plain, size, normalised=False)
        report(f'DataLoader, {size.workers} workers, to the device', to_device, show)
        normalised = compare_loaders(ours, plain, size, normalised=True)
        report(f'DataLoader, {size.workers} workers, normalised there', normalised, show)
        without_colours = compare_in_turns(
            {
                'on device': lambda: time_samples(raw, count),
                'in worker': lambda: time_samples(ours, count),
            },
            size.rounds,
        )
        report('one core, colour operations on the device or in the worker', without_colours, show)
        device_ms = compare_preprocessing({'on device': raw, 'in worker': ours}, size)
        show(f'preprocessor ({_device()}, one thread):')
        for pipeline, milliseconds in device_ms.items():
            show(f'  {pipeline:<10} {milliseconds:6.2f} ms an image')
    return {
        'size': size._asdict(),
        'one_core': one_core,
        'data_loader': to_device,
        'data_loader_and_normalisation': normalised,
        'recolor_on_device': {**without_colours, 'preprocessor_ms': device_ms},
    }


def compare_loaders(
    ours: ImageFiles, plain: PlainViews, size: AugmentSize, normalised: bool
) -> dict:
    """Images a second through a DataLoader, in turns."""
    return compare_in_turns(
        {
            'dinomm': lambda: time_loader(dinomm_batches(ours, size, normalised), size),
            'published': lambda: time_loader(plain_batches(plain, size), size),
        },
        size.rounds,
    )


def dinomm_views(listing: Path, recolor_on_device: bool = False) -> ImageFiles:
    """The images of a list through the pipeline of the config."""
    pipeline = read_config(str(CONFIG)).train_dataloader.dataset.pipeline
    pipeline[1].recolor_on_device = recolor_on_device
    return ImageFiles(listing, pipeline, data_root='/')


def compare_preprocessing(datasets: dict[str, ImageFiles], size: AugmentSize) -> dict[str, float]:
    """Milliseconds an image of the preprocessor alone on a batch of each, medians, in turns."""
    preprocessor = MultiCropPreprocessor().to(_device())
    batches = {
        name: collate_views([dataset[index] for index in range(size.batch)])
        for name, dataset in datasets.items()
    }
    times: dict[str, list[float]] = {name: [] for name in datasets}
    for _ in range(size.rounds + 1):  # the first warms up
        for name, batch in batches.items():
            start = time.perf_counter()
            preprocessor(batch)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            times[name].append(1000 * (time.perf_counter() - start) / size.batch)
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def write_photographs(folder: Path) -> list[Path]:
    """The embedded photographs as JPEGs of about 500x375, in two crops each."""
    written = []
    source = write_photos(Path('data/photos'))
    for name in PHOTOS:
        picture = np.asarray(Image.open(source / name).convert('RGB'))
        height, width = picture.shape[:2]
        for part, y in (('a', 0), ('b', height - min(height, width * 3 // 4))):
            crop = Image.fromarray(picture[y : y + width * 3 // 4])
            sides = LONG_SIDE, round(LONG_SIDE * crop.height / crop.width)
            crop = crop.resize(sides, Image.Resampling.BICUBIC)
            written.append(folder / f'{Path(name).stem}_{part}.jpg')
            crop.save(written[-1], quality=QUALITY)
    return written


def compare_in_turns(measured: dict[str, Callable[[], float]], rounds: int) -> dict:
    """Images a second of each (median), and the ratios of the rounds."""
    speeds: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(rounds):
        for name, measure in measured.items():
            speeds[name].append(measure())
    ratios = [ours / plain for ours, plain in zip(*speeds.values(), strict=True)]
    return {
        'images_per_s': {name: statistics.median(values) for name, values in speeds.items()},
        'ratio': statistics.median(ratios),
        'ratios': ratios,
    }


def report(name: str, result: dict, show: Callable[[str], None]) -> None:
    """One line a pipeline, one for the ratio."""
    show(f'{name}:')
    for pipeline, speed in result['images_per_s'].items():
        show(f'  {pipeline:<10} {speed:6.1f} images/s')
    ratios = ' '.join(f'{ratio:.2f}' for ratio in result['ratios'])
    first = next(iter(result['images_per_s']))
    show(f'  {first} is {result["ratio"]:.2f} times as fast (rounds {ratios})')


def time_samples(dataset: Any, count: int) -> float:
    """Images a second of the first ``count``, one after the other in this process."""
    dataset[0]
    start = time.perf_counter()
    for index in range(count):
        dataset[index]
    return count / (time.perf_counter() - start)


def time_loader(batches: Iterator[Any], size: AugmentSize) -> float:
    """Images a second after the first batch, which waits for the workers to start."""
    next(batches)
    start = time.perf_counter()
    count = sum(1 for _ in batches)
    return count * size.batch / (time.perf_counter() - start)


def dinomm_batches(dataset: ImageFiles, size: AugmentSize, normalised: bool) -> Iterator[Any]:
    """Batches of bytes on the device, or groups of views that it has normalised."""
    preprocessor = MultiCropPreprocessor().to(_device())
    loader = _loader(dataset, size, sampler=EpochSampler(dataset, seed=0), collate_fn=collate_views)
    return map(preprocessor if normalised else preprocessor.cast_data, loader)


def plain_batches(dataset: PlainViews, size: AugmentSize) -> Iterator[Any]:
    """Lists of views on the device."""
    for batch in _loader(dataset, size, shuffle=True):
        yield [view.to(_device(), non_blocking=True) for view in batch]


def _loader(dataset: Any, size: AugmentSize, **options: Any) -> DataLoader:
    return DataLoader(
        dataset,
        batch_size=size.batch,
        num_workers=size.workers,
        pin_memory=torch.cuda.is_available(),
        drop_last=True,
        **options,
    )


def _device() -> torch.device:
    return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
