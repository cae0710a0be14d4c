"""Rows of all processes, with their gradient."""

import torch
from mmengine.dist import all_reduce, get_dist_info
from torch import Tensor, distributed


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx, rows):
        rank, processes = get_dist_info()
        ctx.mine = slice(rank * len(rows), (rank + 1) * len(rows))
        gathered = [torch.empty_like(rows) for _ in range(processes)]
        distributed.all_gather(gathered, rows.contiguous())
        return torch.cat(gathered)

    @staticmethod
    def backward(ctx, grad):
        grad = grad.contiguous()
        all_reduce(grad)
        return grad[ctx.mine]


def gather_rows(rows: Tensor) -> tuple[Tensor, int]:
    """Rows (W * N, C) of the W processes, and the place of the first of this one.

    Each process must have N rows. The gradient of a row is the sum over the processes' losses, so
    that their mean, which DDP takes, is the gradient of the mean loss.
    """
    rank, processes = get_dist_info()
    if processes == 1:
        return rows, 0
    return _Gather.apply(rows), rank * len(rows)
