"""Logistic regression on frozen features, by scikit-learn."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .linear import held_out_rows

STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0)
"""Inverse strengths C of the L2 penalty that are tried."""


class Regression(NamedTuple):
    """A fitted classifier.

    Attributes:
        model: scikit-learn's.
        strength: C, chosen on held-out images.
        held_out: Accuracy there, percent, of each C.
    """

    model: Any
    strength: float
    held_out: dict[float, float]

    def correct(self, rows: Tensor, labels: Tensor) -> Tensor:
        """(N,) whether the class of each image is predicted."""
        return torch.from_numpy(self.model.predict(_prepared(rows))) == labels


def fit_logistic_regression(
    rows: Tensor,
    labels: Tensor,
    strengths: Sequence[float] = STRENGTHS,
    hold_out: float = 0.1,
    seed: int = 0,
    max_iter: int = 1000,
    tell: Callable[[str], None] = print,
) -> Regression:
    """Chooses C on a held-out part of the images, then fits all of them with it.

    Features are L2-normalised, so that C means the same for every network.

    Args:
        rows: (N, C) features.
        labels: (N,) integers, of two classes or more.
        strengths: Values of C.
        hold_out: Share of the images of each class.
        seed: Draws the held-out images.
        max_iter: Of L-BFGS.
        tell: Takes a line for each C.

    Raises:
        ValueError: scikit-learn is not installed, one class only, or a strength is not positive.
    """
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        raise ValueError('logistic regression needs scikit-learn: install it') from None
    if not strengths or min(strengths) <= 0:
        raise ValueError(f'C = {list(strengths)}: expected positive numbers')
    if len(labels.unique()) < 2:
        raise ValueError('logistic regression needs images of at least 2 classes')
    held_out = held_out_rows(labels, hold_out, seed)
    prepared, classes = _prepared(rows), labels.numpy()
    kept = (~held_out).numpy()
    found, model = {}, LogisticRegression(max_iter=max_iter, warm_start=True)
    for strength in sorted(strengths):
        model.set_params(C=strength).fit(prepared[kept], classes[kept])
        found[strength] = 100 * float(model.score(prepared[~kept], classes[~kept]))
        tell(f'logistic regression: C = {strength:g}, held out {found[strength]:.2f} %')
    best = max(found, key=lambda strength: found[strength])  # of equals the most regular
    model = LogisticRegression(max_iter=max_iter, C=best).fit(prepared, classes)
    return Regression(model, best, found)


def _prepared(rows: Tensor):
    return F.normalize(rows.float(), dim=1).numpy()
