"""Tar shards against files: speed of reading, and what a million entries cost."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .loader_scale import KINDS, write_index_of_shards, write_list

WIDTH, HEIGHT, QUALITY = 500, 375, 90  # of the photographs, as ImageNet's are on average
PASSES = (
    ('read', 'in memory'),
    ('read', 'dropped'),
    ('decode', 'in memory'),
    ('decode', 'dropped'),
    ('views', 'in memory'),
)
FEW = 1000  # entries whose cost does not count


class LoaderSize(NamedTuple):
    """How much is measured."""

    images: int = 800
    entries: int = 1_000_000
    rounds: int = 5


def compare_loaders(size: LoaderSize, show: Callable[[str], None]) -> dict:
    """Measures shards and files in turns, and the start and memory at ``size.entries``.

    Args:
        size: The work.
        show: Takes each line of the report.

    Returns:
        Medians and ratios as plain numbers.
    """
    with tempfile.TemporaryDirectory(prefix='dinomm-loader-') as folder:
        speed = compare_reading(size, Path(folder), show)
    with tempfile.TemporaryDirectory(prefix='dinomm-loader-') as folder:
        scale = compare_scale(size.entries, Path(folder), show)
    return {'size': size._asdict(), 'speed': speed, 'scale': scale}


def compare_reading(size: LoaderSize, folder: Path, show: Callable[[str], None]) -> dict:
    """Images a second of one process, in random order, from files and from shards.

    'in memory': the pages of the files are in the system's cache. 'dropped': the system was asked
    to drop them before (``posix_fadvise``); which share of the bytes came from the disk then is
    measured, not assumed, and the disk may have a cache of its own.
    """
    sources = write_sources(size.images, folder)
    num_bytes = sum(path.stat().st_size for path in sources['files'].rglob('*.jpg'))
    show(f'{size.images} photographs of {WIDTH}x{HEIGHT}, {num_bytes / 2**20:.0f} MiB, one process')
    show(f'{"":<18} {"files":>9} {"shards":>9}  images/s   shards/files   of it from the disk')
    figures: dict[str, Any] = {'mib': num_bytes / 2**20}
    for pipeline, state in PASSES:
        runs: dict[str, list[dict]] = {name: [] for name in sources}
        for round_ in range(size.rounds):
            for name, source in sources.items():
                (drop_pages if state == 'dropped' else read_once)(source)
                runs[name].append(time_reading(source, pipeline, round_))
        medians = {n: statistics.median(r['images_per_s'] for r in v) for n, v in runs.items()}
        shares = {n: statistics.median(r['from_disk'] for r in v) for n, v in runs.items()}
        files, shards = ([run['images_per_s'] for run in runs[name]] for name in sources)
        ratios = [s / f for f, s in zip(files, shards, strict=True)]
        ratio = statistics.median(ratios)
        show(
            f'{pipeline:<7} {state:<10} {medians["files"]:9.0f} {medians["shards"]:9.0f}'
            f'{ratio:22.2f}{100 * shares["files"]:12.0f} % {100 * shares["shards"]:3.0f} %'
        )
        figures[f'{pipeline}, {state}'] = {
            'images_per_s': medians,
            'ratio': ratio,
            'ratios': ratios,
            'share_from_disk': shares,
        }
    return figures


def write_sources(images: int, folder: Path) -> dict[str, Path]:
    """Photograph-like JPEGs as files in 16 folders, and the same in shards."""
    import cv2

    from dinomm.datasets.listing import find_images
    from dinomm.datasets.packing import ShardSize, pack
    from dinomm.progress import Progress

    rng = np.random.default_rng(0)
    files, shards = folder / 'files', folder / 'shards'
    for i in range(images):
        path = files / f'class_{i % 16:02}' / f'{i:06}.jpg'
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)
        picture = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        noise = rng.normal(0, 6, picture.shape)
        picture = (picture + noise).clip(0, 255).astype(np.uint8)
        cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    pack(find_images(files), shards, 'x', ShardSize(2**25, 'bytes'), Progress(print))
    os.sync()  # pages that are not on the disk yet cannot be dropped
    return {'files': files, 'shards': shards}


def drop_pages(folder: Path) -> None:
    """Asks the system to forget the content of all files below a folder."""
    for path in _files(folder):
        with open(path, 'rb') as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_once(folder: Path) -> None:
    """Brings the content of all files below a folder into memory."""
    for path in _files(folder):
        path.read_bytes()


def time_reading(folder: Path, pipeline: str, round_: int) -> dict[str, float]:
    """A pass through ``ImageFiles``: images a second, share of the bytes that the disk gave."""
    from dinomm.datasets import EpochSampler, ImageFiles

    data = ImageFiles(folder, transforms(pipeline))
    keys = list(EpochSampler(data, seed=round_))
    if pipeline == 'views':
        keys = keys[: max(1, len(keys) // 8)]
    num_bytes = sum(path.stat().st_size for path in _files(folder)) * len(keys) / len(data)
    disk = bytes_from_disk()
    start = time.perf_counter()
    for key in keys:
        data[key]
    seconds = time.perf_counter() - start
    return {
        'images_per_s': len(keys) / seconds,
        'from_disk': (bytes_from_disk() - disk) / num_bytes,
    }


def transforms(pipeline: str) -> list:
    """Only the bytes ('read'), the picture ('decode'), or DINO's views as the config cuts them."""
    from mmengine import Config

    if pipeline == 'read':
        return [_take_bytes]
    if pipeline == 'decode':
        return [{'type': 'LoadImage'}]
    config = Config.fromfile(
        Path(__file__).parents[2] / 'configs/_base_/datasets/dino_2x224_8x96.py'
    )
    return config.train_dataloader.dataset.pipeline


def bytes_from_disk() -> int:
    """How much this process has made the system read from storage."""
    lines = Path('/proc/self/io').read_text().splitlines()
    return int(dict(line.split(': ') for line in lines)['read_bytes'])


def compare_scale(entries: int, folder: Path, show: Callable[[str], None]) -> dict:
    """Seconds to start and memory of a worker, each kind in a process of its own."""
    show(f'\n{entries:,} entries; memory in MiB beyond that at {FEW:,} entries')
    show(f'{"":<14} start s   main   a worker alone, at first   after an epoch   worker PSS')
    figures = {}
    for kind in KINDS:
        runs = {}
        for number in (FEW, entries):
            source = folder / f'{kind}-{number}'
            source.mkdir()
            make = write_index_of_shards if kind == 'shards' else write_list
            runs[number] = _measure_in_process(kind, str(make(source, number)))
        many, few = runs[entries], runs[FEW]
        more = {name: many[name] - few[name] for name in many if name != 'start_s'}
        figures[kind] = {'start_s': many['start_s'], 'more_mib': more, 'mib': many}
        show(
            f'{kind:<14} {many["start_s"]:7.1f} {more["main"]:6.0f} {more["private_first"]:18.1f} '
            f'{more["private_last"]:20.1f} {more["pss_last"]:16.1f}'
        )
    return figures


def _measure_in_process(kind: str, root: str) -> dict:
    command = [sys.executable, '-m', 'dinomm.benchmark.loader_scale', kind, root]
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(result.stdout.splitlines()[-1])


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob('*') if path.is_file())


def _take_bytes(results: dict) -> bytes:
    content = results.get('img_bytes')
    return Path(results['img_path']).read_bytes() if content is None else content
