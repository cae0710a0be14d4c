"""Features of all images of a data set, from one process or several, kept on disk."""

import logging
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from mmengine.dist import broadcast_object_list, get_dist_info
from mmengine.logging import print_log
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from dinomm.datasets import collate_views
from dinomm.models.blocks import block_features, num_blocks
from dinomm.progress import Countdown

from .cache import FeatureCache
from .labelled import Images, indices, labels, whole
from .network import FrozenNetwork, worker_context
from .sharding import gather_rows

DTYPES = {'float32': torch.float32, 'float16': torch.float16}


class Features(NamedTuple):
    """What a network says of N images, those left out that could not be read.

    Attributes:
        rows: (N, C) in main memory.
        widths: Of the parts that a row consists of; their sum is C.
        labels: (N,) integers, or None.
        paths: Names of the images.
    """

    rows: Tensor
    widths: tuple[int, ...]
    labels: Tensor | None
    paths: list[str]

    def classes(self) -> Tensor:
        """The labels.

        Raises:
            ValueError: There are none.
        """
        if self.labels is None:
            raise ValueError('the images have no labels, which this evaluation needs')
        return self.labels


class Reader(NamedTuple):
    """Which features are read from a network.

    Attributes:
        blocks: 0 for the view feature of k-NN; else so many of the last blocks, the last one
            last, and then where there is a class token the mean of the last patch tokens.
        dtype: Of the rows kept, a name of ``DTYPES``.
    """

    blocks: int = 0
    dtype: str = 'float32'

    def parts(self, network: FrozenNetwork, batch: dict) -> list[Tensor]:
        """(B, C_i) float32 features of a batch that has one view an image."""
        inputs = network.data_preprocessor(batch, False)['inputs']
        if len(inputs) != 1 or inputs[0].num_views != 1:
            views = sum(group.num_views for group in inputs)
            raise ValueError(f'val_dataloader.dataset.pipeline gives {views} views: expected one')
        with torch.inference_mode():
            if not self.blocks:
                return [network.extract_feat(inputs, regions=False)[0].view]
            images = inputs[0].images
            with network.autocast(images.device):
                found = block_features(network.backbone, images, self.blocks)
        patches = [] if found.patches is None else [found.patches]
        return [part.float() for part in [*found.blocks, *patches]]


class Extraction(NamedTuple):
    """How features are computed.

    Attributes:
        batch_size: Images at once.
        workers: Processes that decode.
        cache: Where features are kept, or None.
        tell: Takes lines about how far it is.
    """

    batch_size: int = 64
    workers: int = 0
    cache: FeatureCache | None = None
    tell: Callable[[str], None] = print


def extract(
    network: FrozenNetwork, dataset: Images, reader: Reader, how: Extraction, name: str = 'images'
) -> Features:
    """Features of a data set in its order, the same in every process.

    The processes share the images out. An image that cannot be read is left out.

    Raises:
        ValueError: No image can be read, or the network has fewer blocks than asked for.
    """
    if reader.blocks > num_blocks(network.backbone):
        block_count = num_blocks(network.backbone)
        raise ValueError(
            f'--blocks {reader.blocks}: model.backbone ({type(network.backbone).__name__}) has '
            f'{block_count} that can be read'
        )
    if how.cache is None:
        return _compute(network, dataset, reader, how, name)
    key = how.cache.key(network, dataset, reader._asdict())
    stored = how.cache.load(key)
    if stored is not None:
        how.tell(f'{name}: features of {len(stored["rows"]):,} images from {how.cache.path(key)}')
        return Features(stored['rows'], tuple(stored['widths']), stored['labels'], stored['paths'])
    features = _compute(network, dataset, reader, how, name)
    how.cache.save(key, {**features._asdict(), 'widths': list(features.widths)})
    return features


def _compute(
    network: FrozenNetwork, dataset: Images, reader: Reader, how: Extraction, name: str
) -> Features:
    rank, processes = get_dist_info()
    mine = range(rank, len(dataset), processes)
    countdown = Countdown(name, len(dataset), how.tell)
    rows, own, done = torch.empty(0, 0), torch.zeros(len(mine), dtype=torch.bool), 0
    widths: list[int] = []
    for batch in image_loader(Subset(dataset, mine), how):
        parts = reader.parts(network, batch)
        if not done:
            widths += [part.shape[1] for part in parts]
            rows = torch.empty(len(mine), sum(widths), dtype=DTYPES[reader.dtype])
        size = len(parts[0])
        rows[done : done + size] = torch.cat(parts, dim=1).cpu()
        own[done : done + size] = torch.tensor(
            [is_own(dataset, sample) for sample in batch['data_samples']]
        )
        done += size
        countdown.add(size * processes)
    own, rows = gather_rows(own), gather_rows(rows)
    kept = own.nonzero().flatten()
    if not len(kept):
        raise ValueError(f'none of the {len(dataset)} images in {whole(dataset).root} can be read')
    if not math.isfinite(rows.float().sum().item()) and not rows.isfinite().all():
        raise ValueError('features hold NaN or infinity: the network has diverged')
    places, numbers = indices(dataset), labels(dataset)
    if len(kept) < len(dataset):
        bad = [whole(dataset).image_path(places[i]) for i in (~own).nonzero().flatten()[:5]]
        print_log(
            f'{len(dataset) - len(kept)} of {len(dataset)} {name} cannot be read and are left '
            f'out, among them {", ".join(bad)}',
            logger='current',
            level=logging.WARNING,
        )
        rows = rows[kept]
        numbers = None if numbers is None else numbers[kept]
    paths = [whole(dataset).image_path(places[i]) for i in kept.tolist()]
    of_first = [widths]  # a process without images knows none
    broadcast_object_list(of_first)
    return Features(rows, tuple(of_first[0]), numbers, paths)


def image_loader(dataset: Any, how: Extraction, **options: Any) -> DataLoader:
    """Batches of images with their samples; workers are forked, as the Runner's are."""
    return DataLoader(
        dataset,
        batch_size=how.batch_size,
        num_workers=how.workers,
        collate_fn=collate_views,
        multiprocessing_context=worker_context(how.workers),
        pin_memory=torch.cuda.is_available(),
        **options,
    )


def is_own(dataset: Images, sample: Any) -> bool:
    """Whether the image is the one asked for, and not the next one in place of a broken one."""
    return sample.img_path == whole(dataset).image_path(sample.sample_key[2])
