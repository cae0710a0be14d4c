"""Linear evaluation of a network: what its probes learn from, choose by and are tested on."""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from mmengine.dist import get_dist_info, get_world_size
from torch import Tensor
from torch.utils.data import Dataset

from dinomm.datasets import EpochSampler, LoadImage, MultiCrop, PackViews, SampleKey

from .features import Extraction, Features, Reader, image_loader
from .labelled import Images, indices, whole
from .linear import (
    LEARNING_RATES,
    Batches,
    LinearProbes,
    Outcome,
    Training,
    Variant,
    probe_ranks,
    shuffled_batches,
    train_probes,
)
from .network import FrozenNetwork


class Settings(NamedTuple):
    """How probes are trained.

    Attributes:
        variants: What they read.
        learning_rates: For a batch of 256 images; each is trained on each variant.
        epochs: Over the training images without those held out.
        batch_size: Of each process.
        seed: Of weights, orders and views.
    """

    variants: Sequence[Variant]
    learning_rates: Sequence[float] = LEARNING_RATES
    epochs: int = 100
    batch_size: int = 128
    seed: int = 0


class Source(NamedTuple):
    """Where training batches come from.

    Attributes:
        batches: Features and class numbers of this process's batches of an epoch.
        steps: Batches of an epoch.
    """

    batches: Callable[[int], Batches]
    steps: int


class Evaluation(NamedTuple):
    """Trained probes and what they are worth.

    Attributes:
        probes: Of the whole grid, with the weights of the best.
        training: Accuracies on the held-out images, best and last.
        figures: 'best' and 'last' as plain data, with the test accuracy of each.
        correct: (N,) whether the best probe is right about each test image.
    """

    probes: LinearProbes
    training: Training
    figures: dict[str, Any]
    correct: Tensor


def available_variants(
    blocks: Sequence[int] | None, patches: Sequence[bool] | None, features: Features, read: int
) -> list[Variant]:
    """The variants that were asked for, or by default those that the features allow.

    Args:
        blocks: Numbers of last blocks; by default 1 and ``read``.
        patches: Whether the mean of the patches is appended; by default both where there is one.
        features: Read with ``Reader(read)``.
        read: How many blocks were read.
    """
    has_patches = len(features.widths) > read
    blocks = sorted({1, read}) if blocks is None else blocks
    patches = ([False, True] if has_patches else [False]) if patches is None else patches
    return [Variant(number, with_patches) for number in blocks for with_patches in patches]


def number_classes(labels: Tensor, classes: Tensor) -> Tensor:
    """The place of each label in the ascending ``classes``; -1 for one that is not there."""
    places = torch.searchsorted(classes, labels).clamp(max=len(classes) - 1)
    return torch.where(classes[places] == labels, places, -1)


def evaluate_probes(
    source: Source,
    held_out: Features,
    test: Features,
    classes: Tensor,
    read: int,
    settings: Settings,
    device: torch.device,
    tell: Callable[[str], None] = print,
) -> Evaluation:
    """Trains the grid, chooses on the held-out images, and tests what was chosen.

    Args:
        source: Training batches; their class numbers are places in ``classes``.
        held_out: Training images that are not trained on.
        test: Looked at once, with the chosen probes.
        classes: Labels of the training images, ascending.
        read: How many blocks the features hold.
        settings: Of the training.
        device: Where the probes are trained.
        tell: Takes lines about how far it is.
    """
    probes = LinearProbes(
        settings.variants,
        settings.learning_rates,
        held_out.widths,
        len(held_out.widths) > read,
        len(classes),
        settings.seed,
    ).to(device)
    training = train_probes(
        probes,
        source.batches,
        (held_out.rows, number_classes(held_out.classes(), classes)),
        settings.epochs,
        source.steps,
        settings.batch_size * get_world_size(),
        tell,
    )
    wanted = number_classes(test.classes(), classes)
    figures: dict[str, Any] = {}
    for name, outcome in (('last', training.last), ('best', training.best)):
        probes.load_state_dict(outcome.state)
        ranks = probe_ranks(probes, test.rows, wanted)[outcome.probe]
        figures[name] = {**_described(probes, outcome), **_accuracies(ranks)}
    ordered = {name: figures[name] for name in ('best', 'last')}
    return Evaluation(probes, training, ordered, ranks == 0)


def cached_source(train: Features, classes: Tensor, settings: Settings) -> Source:
    """Batches of features that were extracted once."""
    numbers = number_classes(train.classes(), classes)
    batches = shuffled_batches(train.rows, numbers, settings.batch_size, settings.seed)
    return Source(batches, _steps(len(train.rows), settings.batch_size))


def augmented_source(
    network: FrozenNetwork,
    images: Images,
    classes: Tensor,
    view: dict[str, Any],
    reader: Reader,
    settings: Settings,
    how: Extraction,
) -> Source:
    """Batches of features of a random view of each image, as published, new in every epoch.

    Args:
        network: Frozen.
        images: Training images without those held out.
        classes: Labels, ascending.
        view: As of ``MultiCrop.views``.
        reader: What is read.
        settings: Of the training.
        how: Of the extraction.
    """
    dataset = Views(images, view)
    sampler = EpochSampler(dataset, seed=settings.seed)
    loader = image_loader(dataset, how._replace(batch_size=settings.batch_size), sampler=sampler)

    def of_epoch(epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        sampler.set_epoch(epoch)
        for batch in loader:
            labels = torch.cat([sample.gt_label.reshape(1) for sample in batch['data_samples']])
            yield torch.cat(reader.parts(network, batch), 1), number_classes(labels, classes)

    return Source(of_epoch, len(loader))


class Views(Dataset):
    """A random view of each image in place of the one that its pipeline cuts.

    Args:
        images: With labels.
        view: As of ``MultiCrop.views``.
    """

    def __init__(self, images: Images, view: dict[str, Any]) -> None:
        self.rows = list(indices(images))
        self.images = copy.copy(whole(images))
        self.images.pipeline = [LoadImage(deferred=True), MultiCrop([view]), PackViews()]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: SampleKey) -> dict:
        return self.images[SampleKey(key.seed, key.epoch, self.rows[key.index])]


def take(features: Features, rows: Tensor) -> Features:
    """Some of the images, by a mask (N,)."""
    paths = [path for path, taken in zip(features.paths, rows.tolist(), strict=True) if taken]
    return Features(features.rows[rows], features.widths, features.classes()[rows], paths)


def _steps(images: int, batch_size: int) -> int:
    _, processes = get_dist_info()
    return -(-(images // processes) // batch_size)


def _described(probes: LinearProbes, outcome: Outcome) -> dict[str, Any]:
    variant, learning_rate = probes.probes[outcome.probe]
    return {
        'epoch': outcome.epoch,
        'blocks': variant.blocks,
        'patches': variant.patches,
        'learning rate': learning_rate,
        'held-out top1': outcome.held_out,
    }


def _accuracies(ranks: Tensor) -> dict[str, float]:
    return {f'top{n}': 100 * (ranks < n).float().mean().item() for n in (1, 5)}
