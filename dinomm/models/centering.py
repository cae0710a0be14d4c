"""Centering: from the teacher's logits to target probabilities.

A head shows a centering all the teacher's rows of a batch (``see``), asks for targets row by row
(``targets``), and ends an optimizer step with ``update`` or ``discard``.
"""

import torch
from mmengine.dist import all_reduce
from torch import Tensor, nn

from dinomm.registry import MODELS

CHUNK_BYTES = 64 * 2**20
"""Size of the largest logits tensor held at a time."""


@MODELS.register_module()
class MeanCentering(nn.Module):
    """Subtracts a running mean of the teacher's logits before the softmax.

    DINO (arXiv 2104.14294), eq. 4: c <- m c + (1 - m) mean of the batch's teacher rows. Together
    with a low teacher temperature it keeps the targets from collapsing.

    The sums of a step, which may be several micro-batches, are kept apart until :meth:`update`:
    the targets of a step use the centre of the steps before it. ``center`` (1, K) is a persistent
    buffer; means are taken over the rows of all ranks, which may have different numbers of rows,
    or none: then the centre stays.

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

    @torch.no_grad()
    def see(self, rows: Tensor, prototypes: Tensor, temperature: float) -> None:
        """Adds the teacher's bottleneck rows (N, D) to those that will move the centre."""
        with torch.autocast(rows.device.type, enabled=False):
            self.accumulate(prototypes.float() @ rows.float().sum(0), len(rows))

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
        rows = self.sums[-1]
        mean = torch.where(rows > 0, self.sums[:-1] / rows.clamp(min=1), self.center[0])
        self.center.mul_(self.momentum).add_(mean, alpha=1 - self.momentum)
        self.discard()

    def discard(self) -> None:
        """Forgets the rows added since the last update (a step that was not performed)."""
        self.sums.zero_()


@MODELS.register_module()
class SinkhornKnopp(nn.Module):
    """Targets that use every prototype equally often in the batch; it has no state.

    SwAV (arXiv 2006.09882, section 3.1) and DINOv2 (arXiv 2304.07193, section 4): of Q =
    exp(logits / temperature), prototypes' sums and rows' sums are made equal in turns. What is
    left at the end is one factor u_k a prototype, exp(s_k), and the target of a row is
    softmax(logits / temperature + s). So s alone is computed here, with the logits in chunks, by
    log-sum-exp (no overflow whatever the prototypes' length), over the rows of all ranks. These
    may have different numbers of rows, or none, but each must call :meth:`see`.

    It sees the rows of a micro-batch, not those of an accumulation window.

    Args:
        num_prototypes: K, the number of prototypes.
        iterations: How often prototypes and rows are made equal.
    """

    def __init__(self, num_prototypes: int, iterations: int = 3):
        super().__init__()
        if iterations < 1:
            raise ValueError(f'centering.iterations is {iterations}: expected a number from 1')
        self.iterations = iterations
        self.scales: Tensor
        self.register_buffer('scales', torch.zeros(num_prototypes), persistent=False)

    @torch.no_grad()
    def see(self, rows: Tensor, prototypes: Tensor, temperature: float) -> None:
        """Computes s from all the teacher's bottleneck rows (N, D) and its prototypes (K, D).

        Raises:
            ValueError: The temperature is 0.
        """
        if temperature == 0:
            raise ValueError(
                'SinkhornKnopp needs a teacher_temp above 0: take MeanCentering for hard targets'
            )
        with torch.autocast(rows.device.type, enabled=False):
            rows, prototypes = rows.float() / temperature, prototypes.float()
            for iteration in range(self.iterations):
                rows_equal = iteration > 0
                self.scales.copy_(self._next_scales(rows, prototypes, rows_equal))

    def _next_scales(self, rows: Tensor, prototypes: Tensor, rows_equal: bool) -> Tensor:
        """s (K,) that makes the prototypes' sums equal, after the rows' sums if ``rows_equal``."""
        largest = rows.new_full((len(prototypes),), -torch.inf)
        sums = torch.zeros_like(largest)
        chunks = rows.split(max(1, CHUNK_BYTES // (4 * len(prototypes)))) if len(rows) else ()
        for chunk in chunks:
            logits = chunk @ prototypes.T
            if rows_equal:
                logits -= (logits + self.scales).logsumexp(-1, keepdim=True)
            top = torch.maximum(largest, logits.amax(0))
            sums = sums * (largest - top).exp() + logits.sub_(top).exp_().sum(0)
            largest = top
        overall = largest.clone()
        all_reduce(overall, 'max')
        sums *= (largest - overall).exp()
        all_reduce(sums)
        return torch.where(overall > -torch.inf, -(overall + sums.log()), 0.0)

    def targets(self, logits: Tensor, temperature: float) -> Tensor:
        """Target probabilities (..., K), float32, of rows that :meth:`see` was shown."""
        return logits.float().div(temperature).add_(self.scales).softmax(-1)

    def update(self) -> None:
        """Nothing is carried on."""

    def discard(self) -> None:
        """Nothing is carried on."""
