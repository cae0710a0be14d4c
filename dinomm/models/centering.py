"""Centering: from the teacher's logits to target probabilities."""

import torch
from mmengine.dist import all_reduce
from torch import Tensor, nn

from dinomm.registry import MODELS


@MODELS.register_module()
class MeanCentering(nn.Module):
    """Subtracts a running mean of the teacher's logits before the softmax.

    DINO (arXiv 2104.14294), eq. 4: c <- m c + (1 - m) mean of the batch's teacher rows. Together
    with a low teacher temperature it keeps the targets from collapsing.

    The sums of a step, which may be several micro-batches, are kept apart until :meth:`update`:
    the targets of a step use the centre of the steps before it. ``center`` (1, K) is a persistent
    buffer; means are taken over the rows of all ranks, which may have different numbers of rows.

    Args:
        num_prototypes: K, the number of prototypes.
        momentum: m, the share of the old centre that stays; with 1 it stays 0 (no centering).
    """

    def __init__(self, num_prototypes: int, momentum: float = 0.9):
        super().__init__()
        if not 0 <= momentum <= 1:
            raise ValueError(f'centering.momentum is {momentum}: expected a number from 0 to 1')
        self.momentum = momentum
        self.center: Tensor
        self.register_buffer('center', torch.zeros(1, num_prototypes))
        # the K sums of the teacher's logits and, last, the number of rows
        self.sums: Tensor
        self.register_buffer('sums', torch.zeros(num_prototypes + 1), persistent=False)

    def targets(self, logits: Tensor, temperature: float) -> Tensor:
        """Target probabilities softmax((logits - centre) / temperature), float32.

        Args:
            logits: (..., K) of the teacher.
            temperature: Of the teacher; low values sharpen, 0 gives all to the largest.
        """
        centred = logits.float().sub(self.center[0])
        if temperature == 0:
            largest = centred.argmax(-1, keepdim=True)
            return torch.zeros_like(centred).scatter_(-1, largest, 1.0)
        return centred.div_(temperature).softmax(-1)

    @torch.no_grad()
    def accumulate(self, logits_sum: Tensor, rows: int) -> None:
        """Adds teacher rows of this rank: their summed logits (K,) and their number."""
        self.sums[:-1] += logits_sum
        self.sums[-1] += rows

    @torch.no_grad()
    def update(self) -> None:
        """Moves the centre towards the mean of the rows added since the last update."""
        all_reduce(self.sums)
        mean = self.sums[:-1] / self.sums[-1].clamp(min=1)
        self.center.mul_(self.momentum).add_(mean, alpha=1 - self.momentum)
        self.discard()

    def discard(self) -> None:
        """Forgets the rows added since the last update (a step that was not performed)."""
        self.sums.zero_()
