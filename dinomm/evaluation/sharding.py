"""Rows of a data set that several processes share."""

import math

import torch
from mmengine.dist import all_gather, all_reduce, get_dist_info
from torch import Tensor

# Rows of each process that travel at once; NCCL needs them on the device, where space is short.
GATHER_CHUNK = 8192


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
