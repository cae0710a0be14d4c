"""Stochastic depth: a residual branch is left out for some of the samples."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

SKIPPED_ABOVE = 0.1  # at lower rates picking the samples costs more than their branch


class Subset(NamedTuple):
    """The branch runs on S samples alone, and what it adds counts ``factor`` times.

    Attributes:
        samples: (S,) indices.
        factor: B / S.
    """

    samples: Tensor
    factor: float


class Scaled(NamedTuple):
    """The branch runs on all samples, and what it adds counts ``factors`` times.

    Attributes:
        factors: (B, 1, 1), 0 for a dropped sample.
    """

    factors: Tensor


Draw = Subset | Scaled


class StochasticDepth(nn.Module):
    """The rate of one residual branch; the block applies what it draws (arXiv:1603.09382).

    Args:
        drop_prob: Share of the samples without the branch.
        skip_dropped: At rates above .1 compute the branch for max(floor((1 - rate) B), 1) random
            samples of the B alone and add it B / that number times, as DINOv2 does
            (arXiv:2304.07193, section 5); else each sample is computed, and dropped on its own.
    """

    def __init__(self, drop_prob: float = 0.0, skip_dropped: bool = False):
        super().__init__()
        if not 0 <= drop_prob < 1:
            raise ValueError(
                f'model.backbone.drop_path_rate is {drop_prob}: expected a share from 0 up to, but '
                'not including, 1'
            )
        self.drop_prob = float(drop_prob)
        self.skip_dropped = skip_dropped

    def draw(self, batch: int, device: torch.device) -> Draw | None:
        """A draw for ``batch`` samples; None drops nothing, as always in evaluation."""
        rate = self.drop_prob
        if not self.training or rate == 0:
            return None
        if self.skip_dropped and rate > SKIPPED_ABOVE:
            size = max(int(batch * (1 - rate)), 1)
            return Subset(torch.randperm(batch, device=device)[:size], batch / size)
        keep = 1 - rate
        return Scaled((keep + torch.rand(batch, 1, 1, device=device)).floor() / keep)

    def forward(self, branch: Tensor) -> Tensor:
        """The branch as it is: mmpretrain's modules call this where the block has dropped."""
        return branch

    def extra_repr(self) -> str:
        """Rate and rule."""
        return f'{self.drop_prob:.3f}, skip_dropped={self.skip_dropped}'


def keep(tokens: Tensor, draw: Draw | None) -> Tensor:
    """The samples of (B, L, C) that the branch runs on, (S, L, C)."""
    return tokens.index_select(0, draw.samples) if isinstance(draw, Subset) else tokens


def add_branch(tokens: Tensor, branch: Tensor, draw: Draw | None) -> Tensor:
    """(B, L, C) plus what the branch gave for the kept samples, (S, L, C)."""
    if isinstance(draw, Subset):
        return tokens.index_add(0, draw.samples, branch.to(tokens.dtype), alpha=draw.factor)
    return tokens + (branch if draw is None else branch * draw.factors.to(tokens.dtype))
