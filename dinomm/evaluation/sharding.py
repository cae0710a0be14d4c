"""Rows of a data set that several processes share."""

import math
from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import Any

import torch
from mmengine.dist import all_gather, all_gather_object, all_reduce, get_dist_info
from torch import Tensor

# Rows of each process that travel at once; NCCL needs them on the device, where space is short.
GATHER_CHUNK = 8192


def share_of_process(items: int) -> range:
    """Numbers of the items that this process takes, which are dealt out in turns."""
    rank, processes = get_dist_info()
    return range(rank, items, processes)


def gather_objects(share: Sequence[Any]) -> list[Any]:
    """Plain data of all processes, dealt out in turns, in its original order."""
    missing = object()
    rounds = zip_longest(*all_gather_object(list(share)), fillvalue=missing)
    return [item for item in chain.from_iterable(rounds) if item is not missing]


def drop_padding(rows: Tensor, images: int) -> Tensor:
    """This process's rows without those that a sampler added to make the shares equal.

    The samplers of mmengine and torch deal the images out in turns: the j-th of process r is
    number j * processes + r, and numbers from ``images`` on repeat earlier ones.

    Args:
        rows: (n, ...) what this process read.
        images: Size of the data set.

    Raises:
        ValueError: More rows than a share: the sampler does not share out the data set.
    """
    rank, processes = get_dist_info()
    if len(rows) > math.ceil(images / processes):
        raise ValueError(
            f'a process read {len(rows)} of {images} images, which {processes} processes should '
            "share: give the data loader sampler=dict(type='DefaultSampler', shuffle=False)"
        )
    return rows[: math.ceil((images - rank) / processes)]


def gather_rows(rows: Tensor) -> Tensor:
    """The rows of all processes, dealt out in turns, in their original order.

    Args:
        rows: (n, ...) share of this process; n may differ and be 0.

    Returns:
        (N, ...) in main memory of every process.
    """
    rows = rows.cpu()
    _, processes = get_dist_info()
    if processes == 1:
        return rows
    shape = torch.tensor(rows.shape)
    lengths = torch.stack(all_gather(shape[0]))
    all_reduce(shape, op='max')  # a process without rows does not know their width
    longest, *width = shape.tolist()
    gathered = []
    for start in range(0, longest, GATHER_CHUNK):
        places = torch.arange(start, min(start + GATHER_CHUNK, longest))
        block = rows.new_zeros(len(places), *width)
        share = rows[start : start + GATHER_CHUNK]
        block[: len(share)] = share.reshape(-1, *width)
        blocks = torch.stack(all_gather(block), dim=1)
        gathered.append(blocks[places[:, None] < lengths])
    return torch.cat(gathered) if gathered else rows
