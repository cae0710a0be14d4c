"""Order of the samples, and what a sample's randomness is made from."""

from collections.abc import Iterator, Sized
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import DataLoader, Sampler

from dinomm.registry import DATA_SAMPLERS


class SampleKey(NamedTuple):
    """Which sample, and everything that its random views depend on.

    ``epoch`` counts passes over the data set: the epochs, unless ``EpochSampler.epoch_size`` makes
    them longer or shorter.
    """

    seed: int
    epoch: int
    index: int  # type: ignore[assignment]  # hides tuple.index

    def generator(self) -> np.random.Generator:
        """A fresh generator that no worker, order or earlier sample has an influence on."""
        return np.random.default_rng(tuple(self))


@DATA_SAMPLERS.register_module()
class EpochSampler(Sampler[SampleKey]):
    """Epochs as consecutive pieces of an endless stream of permutations, dealt out in turns.

    By default a piece is one permutation: no sample comes twice in an epoch. With ``epoch_size``
    an epoch is any number of images, whatever the data set's size (DINOv2: 1250 steps of 2048);
    the next epoch begins in the pass over the data where this one ended.

    Process r of W takes the positions r, r + W, r + 2W, ... so that batches of B images on W
    processes hold the same images as batches of W * B on one. All processes get
    ``floor(epoch_size / W)`` samples.

    Args:
        dataset: Its length counts.
        shuffle: False keeps the data set's order in every pass.
        seed: Of the permutations and of the samples, equal on all processes; None draws one.
        epoch_size: Images of an epoch, over all processes; None: those of the data set.

    Raises:
        ValueError: Fewer images an epoch than processes, none at all, or a negative seed.
    """

    def __init__(
        self,
        dataset: Sized,
        shuffle: bool = True,
        seed: int | None = None,
        epoch_size: int | None = None,
    ) -> None:
        self.rank, self.world_size = get_dist_info()
        self.dataset_size = len(dataset)
        self.shuffle = shuffle
        self.seed = int(sync_random_seed()) if seed is None else seed
        self.epoch_size = self.dataset_size if epoch_size is None else _whole(epoch_size)
        self.epoch = 0
        self._start = 0
        if self.seed < 0:
            raise ValueError(f'sampler.seed must not be negative, but is {self.seed}')
        if not self.dataset_size:
            raise ValueError('the data set has no images to sample from')
        if self.epoch_size < self.world_size:
            what = 'images' if epoch_size is None else 'images an epoch (sampler.epoch_size)'
            raise ValueError(
                f'{self.epoch_size} {what} cannot be dealt out to {self.world_size} processes: '
                'give more images or start fewer processes'
            )

    def set_epoch(self, epoch: int) -> None:
        """Chooses the piece of the stream of later iterations."""
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
        done, self._start = self._start, 0
        first = self.epoch * self.epoch_size + self.rank
        position = first + done * self.world_size
        end = first + len(self) * self.world_size
        while position < end:
            number, offset = divmod(position, self.dataset_size)
            mine = self._order(number)[offset : offset + end - position : self.world_size]
            for index in mine:
                yield SampleKey(self.seed, number, int(index))
            position += len(mine) * self.world_size

    def _order(self, number: int) -> np.ndarray:
        """The images of a pass over the data set."""
        if not self.shuffle:
            return np.arange(self.dataset_size)
        return np.random.default_rng((self.seed, number)).permutation(self.dataset_size)

    def __len__(self) -> int:
        """This process's samples of a whole epoch."""
        return self.epoch_size // self.world_size


class LateBatches:
    """The batches of a batch sampler, but for the first ones of the next epoch.

    For samplers that cannot start inside an epoch by themselves. What is left out is drawn, not
    loaded.

    Args:
        batches: A batch sampler; its attributes are this one's.
    """

    def __init__(self, batches: Any) -> None:
        self.batches = batches
        self.left_out = 0

    def start_at(self, number: int) -> None:
        """Leaves out so many batches of the next epoch, and only of that."""
        self.left_out = number

    def __iter__(self) -> Iterator[list]:
        left_out, self.left_out = self.left_out, 0
        yield from islice(self.batches, left_out, None)

    def __len__(self) -> int:
        return len(self.batches)

    def __getattr__(self, name: str) -> Any:
        if name == 'batches':  # not there yet, while a copy is made
            raise AttributeError(name)
        return getattr(self.batches, name)


def start_at_batch(loader: DataLoader, number: int) -> None:
    """Lets the next epoch of a loader, and only that, leave out its first batches."""
    if hasattr(loader.sampler, 'start_at'):
        samples = number * (loader.batch_size or 1)
        loader.sampler.start_at(min(samples, len(loader.sampler)))  # type: ignore[arg-type]
        return
    late = LateBatches(loader.batch_sampler)
    late.start_at(number)
    object.__setattr__(loader, 'batch_sampler', late)  # torch refuses it once workers may run


def _whole(epoch_size: int) -> int:
    if isinstance(epoch_size, bool) or not isinstance(epoch_size, int) or epoch_size < 1:
        raise ValueError(
            f'sampler.epoch_size is {epoch_size!r}: expected a whole number of images from 1, or '
            'None for those of the data set'
        )
    return epoch_size
