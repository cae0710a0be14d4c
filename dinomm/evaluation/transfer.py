"""One network on several sets of labelled images: k-NN, logistic regression, linear probe."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .features import Features
from .knn import vote_ranks
from .linear import LEARNING_RATES, held_out_rows
from .logreg import STRENGTHS, fit_logistic_regression
from .neighbors import nearest_neighbors
from .probing import Settings, available_variants, cached_source, evaluate_probes, take

METHODS = ('knn', 'logreg', 'linear')


class TransferSettings(NamedTuple):
    """How a network is measured.

    Attributes:
        methods: Some of ``METHODS``.
        k: Neighbours that vote.
        temperature: Of the vote.
        strengths: C of logistic regression, chosen on held-out images.
        learning_rates: Of the linear probes, likewise.
        epochs: Of the linear probes.
        batch_size: Of the linear probes.
        hold_out: Share of the training images.
        resamples: Of the bootstrap.
        seed: Of everything that is drawn.
    """

    methods: Sequence[str] = METHODS
    k: int = 20
    temperature: float = 0.07
    strengths: Sequence[float] = STRENGTHS
    learning_rates: Sequence[float] = LEARNING_RATES
    epochs: int = 100
    batch_size: int = 128
    hold_out: float = 0.1
    resamples: int = 1000
    seed: int = 0


def bootstrap_interval(
    correct: Tensor, resamples: int = 1000, seed: int = 0, confidence: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of an accuracy over test images drawn with replacement.

    Efron and Tibshirani 1993, chapter 13. It tells how far the accuracy depends on which images
    were tested, not on the training. Of a sum of zeros and ones the draws are binomial.

    Args:
        correct: (N,) whether each image was classified correctly.
        resamples: How often N images are drawn.
        seed: Of the draws.
        confidence: Share of the resampled accuracies inside.

    Returns:
        Both ends in percent.

    Raises:
        ValueError: No image, no resample, or a confidence that is no share.
    """
    images = len(correct)
    if not images or resamples < 1 or not 0 < confidence < 1:
        raise ValueError(
            f'a bootstrap of {images} images, {resamples} resamples and confidence {confidence}: '
            'expected at least one of each, and a confidence between 0 and 1'
        )
    generator = torch.Generator().manual_seed(seed)
    share = correct.double().mean()
    drawn = torch.binomial(
        torch.full((resamples,), float(images), dtype=torch.float64),
        torch.full((resamples,), share.item(), dtype=torch.float64),
        generator=generator,
    )
    ends = torch.tensor([(1 - confidence) / 2, (1 + confidence) / 2], dtype=torch.float64)
    low, high = (100 * drawn / images).quantile(ends).tolist()
    return low, high


def measure_transfer(
    train: Features,
    test: Features,
    read: int,
    settings: TransferSettings,
    device: torch.device,
    tell: Callable[[str], None] = print,
) -> dict[str, dict[str, Any]]:
    """Accuracy of each method with its confidence interval.

    Args:
        train: Features of the last ``read`` blocks of labelled images.
        test: Likewise.
        read: See `dinomm.evaluation.features.Reader.blocks`.
        settings: Of the methods.
        device: Where the work is done.
        tell: Takes lines about how far it is.

    Returns:
        By method 'top1' in percent, 'interval' (both ends), and what was chosen.

    Raises:
        ValueError: A method is not known, or the images do not do for it.
    """
    unknown = set(settings.methods) - set(METHODS)
    if unknown or not settings.methods:
        raise ValueError(f'methods {list(settings.methods)}: expected some of {METHODS}')
    figures = {}
    for method in settings.methods:
        correct, chosen = MEASURES[method](train, test, read, settings, device, tell)
        interval = bootstrap_interval(correct, settings.resamples, settings.seed)
        top1 = 100 * correct.double().mean().item()
        figures[method] = {'top1': top1, 'interval': list(interval), **chosen}
    return figures


def _by_knn(train, test, read, settings, device, tell) -> tuple[Tensor, dict]:
    """On the last block's view feature alone."""
    view = _view(train, read), _view(test, read)
    neighbors = nearest_neighbors(view[0], view[1].to(device), settings.k)
    ranks = vote_ranks(
        neighbors, train.classes(), test.classes(), [settings.k], settings.temperature
    )
    return (ranks[settings.k] == 0).cpu(), {'k': min(settings.k, len(train.rows))}


def _by_regression(train, test, read, settings, device, tell) -> tuple[Tensor, dict]:
    """On the last block's view feature alone."""
    fitted = fit_logistic_regression(
        _view(train, read),
        train.classes(),
        settings.strengths,
        settings.hold_out,
        settings.seed,
        tell=tell,
    )
    return fitted.correct(_view(test, read), test.classes()), {'C': fitted.strength}


def _by_probes(train, test, read, settings, device, tell) -> tuple[Tensor, dict]:
    """On all that was read."""
    classes = train.classes().unique()
    held = held_out_rows(train.classes(), settings.hold_out, settings.seed)
    probing = Settings(
        available_variants(None, None, train, read),
        settings.learning_rates,
        settings.epochs,
        settings.batch_size,
        settings.seed,
    )
    source = cached_source(take(train, ~held), classes, probing)
    found = evaluate_probes(source, take(train, held), test, classes, read, probing, device, tell)
    best = found.figures['best']
    return found.correct, {key: best[key] for key in ('blocks', 'patches', 'learning rate')}


MEASURES: dict[str, Callable[..., tuple[Tensor, dict]]] = {
    'knn': _by_knn,
    'logreg': _by_regression,
    'linear': _by_probes,
}


def _view(features: Features, read: int) -> Tensor:
    """The columns of the last block."""
    end = sum(features.widths[:read])
    return features.rows[:, end - features.widths[read - 1] : end]
