"""Order of the samples, and what a sample's randomness is made from."""

from collections.abc import Iterator, Sized
from typing import NamedTuple

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from dinomm.registry import DATA_SAMPLERS


class SampleKey(NamedTuple):
    """Which sample, and everything that its random views depend on."""

    seed: int
    epoch: int
    index: int  # type: ignore[assignment]  # hides tuple.index

    def generator(self) -> np.random.Generator:
        """A fresh generator that no worker, order or earlier sample has an influence on."""
        return np.random.default_rng(tuple(self))


@DATA_SAMPLERS.register_module()
class EpochSampler(Sampler[SampleKey]):
    """One permutation of the data set an epoch, dealt out to the processes in turns.

    Process r of W takes the positions r, r + W, r + 2W, ... so that batches of B images on W
    processes hold the same images as batches of W * B on one. All processes get
    ``floor(len(dataset) / W)`` samples; no sample comes twice in an epoch.

    Args:
        dataset: Its length counts.
        shuffle: False keeps the data set's order in every epoch.
        seed: Of the permutations and of the samples, equal on all processes; None draws one.

    Raises:
        ValueError: Fewer images than processes, or a negative seed.
    """

    def __init__(self, dataset: Sized, shuffle: bool = True, seed: int | None = None) -> None:
        self.rank, self.world_size = get_dist_info()
        self.dataset_size = len(dataset)
        self.shuffle = shuffle
        self.seed = int(sync_random_seed()) if seed is None else seed
        self.epoch = 0
        self._start = 0
        if self.seed < 0:
            raise ValueError(f'sampler.seed must not be negative, but is {self.seed}')
        if self.dataset_size < self.world_size:
            raise ValueError(
                f'{self.dataset_size} images cannot be dealt out to {self.world_size} processes: '
                'give more images or start fewer processes'
            )

    def set_epoch(self, epoch: int) -> None:
        """Chooses the permutation, and the randomness of the samples, of later iterations."""
        self.epoch = epoch

    def start_at(self, position: int) -> None:
        """Lets the next iteration, and only that, leave out this process's first samples.

        Args:
            position: How many samples of this process are done in this epoch.

        Raises:
            ValueError: The position lies outside this process's samples.
        """
        if not 0 <= position <= len(self):
            raise ValueError(f'cannot start at sample {position} of an epoch of {len(self)}')
        self._start = position

    def __iter__(self) -> Iterator[SampleKey]:
        start, self._start = self._start, 0
        if self.shuffle:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(self.dataset_size)
        else:
            order = np.arange(self.dataset_size)
        mine = order[self.rank :: self.world_size][start : len(self)]
        for index in mine:
            yield SampleKey(self.seed, self.epoch, int(index))

    def __len__(self) -> int:
        """This process's samples of a whole epoch."""
        return self.dataset_size // self.world_size
