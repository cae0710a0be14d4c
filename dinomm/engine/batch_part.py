"""Which images of an optimizer step a process has in its hands."""

from typing import NamedTuple

import numpy as np


class BatchPart(NamedTuple):
    """Which part of an optimizer step's images this process has in its hands.

    The sampler deals images out in turns, so that the j-th image of micro-batch m on process r of
    W stands at place (m B + j) W + r of the whole batch.

    Attributes:
        key: What the step's masks are drawn from: (seed of the run, number of the step).
        micro_batch: m, counted from 0.
        num_micro_batches: How many make a step.
        rank: r.
        num_processes: W.
    """

    key: tuple[int, int] = (0, 0)
    micro_batch: int = 0
    num_micro_batches: int = 1
    rank: int = 0
    num_processes: int = 1

    def places(self, batch: int) -> np.ndarray:
        """(B,) places of this process's images in the whole batch."""
        mine = self.micro_batch * batch + np.arange(batch)
        return mine * self.num_processes + self.rank

    def total(self, batch: int) -> int:
        """The number of images of the whole batch."""
        return batch * self.num_micro_batches * self.num_processes
