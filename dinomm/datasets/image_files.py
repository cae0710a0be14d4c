"""A data set of image files, with or without labels."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from mmengine.logging import print_log
from torch.utils.data import Dataset

from dinomm.registry import DATASETS, TRANSFORMS

from .bad_images import TooManyBadImagesError, allowed
from .file_names import PackedPaths
from .listing import find_images, folder_labels, in_validation_part
from .samplers import SampleKey
from .transforms.loading import BrokenImageError, EncodedImage
from .workers import WorkerLog

LONGEST_SEARCH = 1000
"""Images that are tried in place of a bad one, when there are more bad ones than allowed."""


@DATASETS.register_module()
class ImageFiles(Dataset):
    """Images of a folder, of a list file or of tar shards, on this machine or at a URL.

    The same images give the same samples in the same order, whether they are files of a folder
    or packed into shards. An image that cannot be decoded is named in the log once and replaced
    by the next good one, the same in every run.

    Args:
        root: Folder of images or of ``.tar`` shards in WebDataset layout (searched at any depth),
            list file of ``path [label]`` lines, one shard, or a pattern of shards such as
            ``'train-{000000..000127}.tar'``; all also as a URL (``s3://``, ``https://``, ...).
            A label is either an integer for every image, or a class name.
        pipeline: Transforms; the first gets ``img_path``, ``sample_key``, where known
            ``gt_label``, and the file's content as ``img_bytes`` unless it is a file itself.
        labels: ``'folder'`` takes the first folder of each relative path (in a shard: of each
            member) as its class. None: the labels of a list file or of the shards' ``.cls``
            members if there are some, none for a folder.
        classes: Names in the order of their numbers; the sorted names found by default. Give it
            where two data sets must agree though one of them lacks a class.
        part: ``'train'`` and ``'val'`` split the images in two by a hash of their relative paths.
        val_fraction: Share of the images in the part ``'val'``.
        data_root: Folder or URL that a list file's paths are relative to; the file's own by
            default.
        max_bad_images: So many unreadable images are tolerated, or below 1 such a share of all. In
            training ``BadImagesHook`` counts them over all workers and processes, else each process
            counts its own.

    Raises:
        ValueError: Bad argument, nothing found, both images and shards found, or labels that do
            not fit (see :mod:`dinomm.datasets.listing`).
    """

    def __init__(
        self,
        root: str | Path,
        pipeline: Sequence[Any] = (),
        labels: Literal['folder'] | None = None,
        classes: Sequence[str] | None = None,
        part: Literal['all', 'train', 'val'] = 'all',
        val_fraction: float = 0.2,
        data_root: str | Path | None = None,
        max_bad_images: float = 100,
    ) -> None:
        if labels not in (None, 'folder'):
            raise ValueError(f"ImageFiles.labels must be None or 'folder', but is {labels!r}")
        listing = find_images(root, data_root)
        numbers: np.ndarray | None = None
        names: tuple[str, ...] | None = None
        if labels == 'folder':
            numbers, names = number_classes(folder_labels(listing.paths), classes, root)
        elif listing.labels is not None:
            are_numbers = all(label.isdecimal() for label in listing.labels)
            number = check_numbers if are_numbers else number_classes
            numbers, names = number(listing.labels, classes, root)
        chosen = choose_part(listing.paths, part, val_fraction, root)

        self.root = root
        self.storage = listing.storage.take(chosen)
        self.paths = PackedPaths([listing.paths[i] for i in chosen])
        # a tensor, not an array: spawned workers get it in shared memory
        self.labels = None if numbers is None else torch.from_numpy(numbers[chosen])
        self.max_bad_images = allowed(max_bad_images, len(self.paths))
        self.pipeline = [TRANSFORMS.build(t) if isinstance(t, dict) else t for t in pipeline]
        self.worker_log: WorkerLog | None = None
        self._classes = names
        # shared memory: all workers see what one of them found
        self._bad = torch.zeros(len(self.paths), dtype=torch.bool).share_memory_()
        self.limit_is_watched = False

    @property
    def metainfo(self) -> dict[str, tuple[str, ...]]:
        """``classes``, if they have names."""
        return {} if self._classes is None else {'classes': self._classes}

    @property
    def bad_images(self) -> list[str]:
        """Paths of the unreadable images that were met so far, by any worker."""
        return [self.image_path(i) for i in self.bad_indices()]

    def bad_indices(self) -> list[int]:
        """Their indices, ascending."""
        # of a copy: torch counts first, and another worker may find one more before it writes
        return self._bad.clone().nonzero().flatten().tolist()

    def mark_bad(self, indices: Sequence[int]) -> None:
        """Images that others found unreadable will not be tried here."""
        self._bad[torch.tensor(indices, dtype=torch.long)] = True

    def can_be_read(self, index: int) -> bool:
        """Whether an image can be decoded, whatever is known of it."""
        path = self.image_path(index)
        try:
            EncodedImage(path, self.storage.content(index, self.paths[index])).decode()
        except BrokenImageError:
            return False
        return True

    def too_many_bad(self) -> TooManyBadImagesError | None:
        """The error to raise, if there are more unreadable images than allowed."""
        bad = self.bad_indices()
        if len(bad) <= self.max_bad_images:
            return None
        return TooManyBadImagesError(
            f'{len(bad):,} of {len(self):,} images in {self.root} cannot be read, among them '
            f'{", ".join(self.image_path(i) for i in bad[:5])}: repair or remove them, or raise '
            f'max_bad_images ({self.max_bad_images:,})'
        )

    def image_path(self, index: int) -> str:
        """The file or URL of an image, or its shard and member."""
        return self.storage.name(index, self.paths[index])

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, key: SampleKey | int) -> Any:
        """Runs the pipeline on one image.

        Args:
            key: A plain index stands for seed 0, epoch 0.

        Raises:
            TooManyBadImagesError: More images than allowed could not be read. Where
                ``limit_is_watched``, this is left to others unless a thousand follow one another.
        """
        if not isinstance(key, SampleKey):
            key = SampleKey(0, 0, int(key))
        if not 0 <= key.index < len(self):
            raise IndexError(f'image {key.index} of {len(self)}')
        for step in range(len(self)):
            index = (key.index + step) % len(self)
            if self._bad[index]:
                continue
            try:
                return self._logged_sample(index, key)
            except BrokenImageError as error:
                self._note_bad(index, error)
            too_many = self.too_many_bad()
            if too_many and (step >= LONGEST_SEARCH or not self.limit_is_watched):
                raise too_many
        raise TooManyBadImagesError(
            f'none of the {len(self):,} images in {self.root} can be read, the first of them is '
            f'{self.image_path(0)}'
        )

    def _logged_sample(self, index: int, key: SampleKey) -> Any:
        if self.worker_log is None:
            return self._sample(index, key)
        self.worker_log.begin(index)
        sample = self._sample(index, key)
        self.worker_log.end()
        return sample

    def _sample(self, index: int, key: SampleKey) -> Any:
        results: Any = {'img_path': self.image_path(index), 'sample_key': key}
        content = self.storage.content(index, self.paths[index])
        if content is not None:
            results['img_bytes'] = content
        if self.labels is not None:
            results['gt_label'] = int(self.labels[index])
        for transform in self.pipeline:
            results = transform(results)
        return results

    def _note_bad(self, index: int, error: BrokenImageError) -> None:
        self._bad[index] = True
        print_log(
            f'{error}; the next image takes its place', logger='current', level=logging.WARNING
        )


def choose_part(
    paths: Sequence[str], part: str, val_fraction: float, root: str | Path
) -> np.ndarray:
    """Indices of the images of a part, ascending.

    Raises:
        ValueError: Unknown part, a fraction outside (0, 1), or no image falls into the part.
    """
    if part == 'all':
        return np.arange(len(paths))
    if part not in ('train', 'val'):
        raise ValueError(f"ImageFiles.part must be 'all', 'train' or 'val', but is {part!r}")
    if not 0 < val_fraction < 1:
        raise ValueError(f'ImageFiles.val_fraction must lie between 0 and 1, but is {val_fraction}')
    in_val = np.array([in_validation_part(path, val_fraction) for path in paths])
    chosen = np.flatnonzero(in_val == (part == 'val'))
    if not len(chosen):
        raise ValueError(
            f'none of the {len(paths)} images in {root} falls into part={part!r} with '
            f'val_fraction={val_fraction}: change the fraction or give more images'
        )
    return chosen


def number_classes(
    words: Sequence[str], classes: Sequence[str] | None, root: str | Path
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers class names by their place in ``classes``, by default all names sorted.

    Raises:
        ValueError: Fewer than two classes, or a name that is not among ``classes``.
    """
    names = tuple(sorted(set(words)) if classes is None else classes)
    if len(names) < 2:
        raise ValueError(
            f'labels need at least 2 classes, but {root} has only {", ".join(names)!r}: give each '
            'class a folder (or a name in the list), or leave the labels out'
        )
    number = {name: i for i, name in enumerate(names)}
    for word in words:
        if word not in number:
            raise ValueError(f'class {word!r} of {root} is not among ImageFiles.classes {names}')
    return np.array([number[word] for word in words]), names


def check_numbers(
    words: Sequence[str], classes: Sequence[str] | None, root: str | Path
) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """Reads labels that are numbers already; ``classes`` may name them.

    Raises:
        ValueError: A number without a name among ``classes``.
    """
    numbers = np.array([int(word) for word in words])
    if classes is None:
        return numbers, None
    if numbers.max() >= len(classes):
        raise ValueError(
            f'label {numbers.max()} in {root} has no name: ImageFiles.classes has {len(classes)}'
        )
    return numbers, tuple(classes)
