"""Weighted k-nearest-neighbour classification of frozen features.

The protocol of DINO (arXiv:2104.14294, section 4.1; the vote is that of arXiv:1805.01978,
section 3.4): features are L2-normalised, not centred; each of a query's k nearest support images
votes for its class with the weight exp(cosine / temperature).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce
from torch import Tensor

from ..registry import METRICS

# One block of similarities is at most this many rows by columns: 64 MiB in float32.
QUERY_CHUNK = 1024
SUPPORT_CHUNK = 16384


class Neighbors(NamedTuple):
    """The support images nearest to each query, nearest first.

    Attributes:
        cosine: (Q, k) float32 similarities.
        row: (Q, k) their rows in the support set.
    """

    cosine: Tensor
    row: Tensor


def _check_features(support: Tensor, queries: Tensor) -> None:
    for name, features in (('support', support), ('query', queries)):
        if features.ndim != 2:
            raise ValueError(
                f'{name} features have the shape {tuple(features.shape)}: expected (images, width)'
            )
    if support.shape[1] != queries.shape[1]:
        raise ValueError(
            f'support features are {support.shape[1]} wide, query features {queries.shape[1]}: '
            'extract both with the same network'
        )
    if len(support) == 0:
        raise ValueError('the support set of k-NN is empty: give it at least one labelled image')


def _check_labels(name: str, features: Tensor, labels: Tensor) -> None:
    if labels.shape != (len(features),):
        raise ValueError(
            f'{len(features)} {name} features came with labels of shape {tuple(labels.shape)}: '
            'expected one integer label for each'
        )


def _check_positive(name: str, values: Sequence[int]) -> None:
    if not values or any(not isinstance(v, int) or isinstance(v, bool) or v < 1 for v in values):
        raise ValueError(f'{name} = {values!r}: expected one or more positive integers')


def _check_temperature(temperature: float) -> None:
    if not temperature > 0:
        raise ValueError(f'temperature = {temperature!r}: expected a positive number, as in .07')


def _normalized(features: Tensor, device: torch.device) -> Tensor:
    features = F.normalize(features.to(device).float(), dim=1)
    if not features.isfinite().all():
        raise ValueError('features for k-NN hold NaN or infinity: the network has diverged')
    return features


@contextmanager
def _full_float32_matmul(device: torch.device) -> Iterator[None]:
    """Neither autocast nor TF32: rounded similarities change who is a neighbour."""
    matmul = torch.backends.cuda.matmul
    # torch 2.9 replaced allow_tf32 and refuses to read it once the new name was used.
    name, exact = (
        ('fp32_precision', 'ieee') if hasattr(matmul, 'fp32_precision') else ('allow_tf32', False)
    )
    before = getattr(matmul, name)
    setattr(matmul, name, exact)
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        setattr(matmul, name, before)


@torch.no_grad()
def nearest_neighbors(support: Tensor, queries: Tensor, k: int) -> Neighbors:
    """The ``k`` support rows of largest cosine similarity to each query.

    Both sides are L2-normalised here, in float32. The similarities are made in blocks and merged
    into a running top-k, so memory does not grow with Q x N. Support features may lie on another
    device than the queries: they are brought over block by block.

    Args:
        support: (N, C) features.
        queries: (Q, C) features; the work is done on their device.
        k: Number of neighbours; N if it is larger than that.

    Raises:
        ValueError: Widths differ, the support set is empty, or a feature is not finite.
    """
    _check_features(support, queries)
    k = min(k, len(support))
    device = queries.device
    cosine = torch.empty(len(queries), 0, device=device)
    row = torch.empty(len(queries), 0, dtype=torch.long, device=device)
    queries = _normalized(queries, device)
    with _full_float32_matmul(device):
        for start in range(0, len(support), SUPPORT_CHUNK):
            block = _normalized(support[start : start + SUPPORT_CHUNK], device)
            merged = [
                _merge(rows @ block.T, start, kept, kept_index, k)
                for rows, kept, kept_index in zip(
                    queries.split(QUERY_CHUNK),
                    cosine.split(QUERY_CHUNK),
                    row.split(QUERY_CHUNK),
                    strict=True,
                )
            ]
            cosine = torch.cat([found.cosine for found in merged])
            row = torch.cat([found.row for found in merged])
    return Neighbors(cosine, row)


def _merge(block: Tensor, start: int, cosine: Tensor, row: Tensor, k: int) -> Neighbors:
    """Top-k of the neighbours kept so far and a block of similarities to support[start:]."""
    top, column = block.topk(min(k, block.shape[1]), dim=1)
    cosine = torch.cat([cosine, top], dim=1)
    row = torch.cat([row, column + start], dim=1)
    top, column = cosine.topk(min(k, cosine.shape[1]), dim=1)
    return Neighbors(top, row.gather(1, column))


def knn_scores(
    cosine: Tensor, labels: Tensor, num_classes: int, temperature: float = 0.07
) -> Tensor:
    """Sum over the neighbours of each class of exp(cosine / temperature).

    The scores of a query are scaled by its nearest neighbour's weight, so that no temperature
    overflows; their order and ratios are those of the formula.

    Args:
        cosine: (Q, k) similarities of the neighbours, nearest first.
        labels: (Q, k) their classes, 0 to ``num_classes`` - 1.
        num_classes: C, the number of classes.
        temperature: Of the weights; .07 as published.

    Returns:
        (Q, C) scores; 0 for a class without a neighbour.
    """
    _check_temperature(temperature)
    weights = ((cosine - cosine[:, :1]) / temperature).exp()
    scores = weights.new_zeros(len(cosine), num_classes)
    return scores.scatter_add_(1, labels, weights)


def _rank(scores: Tensor, target: Tensor) -> Tensor:
    """Place of the target class in the order of the scores, from 0; ties in class order."""
    own = scores.gather(1, target[:, None])
    earlier = torch.arange(scores.shape[1], device=scores.device) < target[:, None]
    return ((scores > own) | ((scores == own) & earlier)).sum(1)


def knn_hits(
    support: Tensor,
    support_labels: Tensor,
    queries: Tensor,
    query_labels: Tensor,
    ks: Sequence[int],
    temperature: float = 0.07,
    topk: Sequence[int] = (1, 5),
) -> dict[str, int]:
    """Counts of correctly classified queries, of which there may be none; else `knn_accuracy`."""
    _check_positive('k', ks)
    _check_positive('topk', topk)
    _check_temperature(temperature)
    _check_labels('support', support, support_labels)
    _check_labels('query', queries, query_labels)
    cosine, row = nearest_neighbors(support, queries, max(ks))
    device = queries.device
    # Classes are numbered by the support set's labels, which need not be contiguous.
    classes, support_labels = support_labels.to(device).unique(return_inverse=True)
    query_labels = query_labels.to(device).contiguous()
    target = torch.searchsorted(classes, query_labels).clamp(max=len(classes) - 1)
    known = classes[target] == query_labels
    hits = {f'top{n}_k{k}': 0 for k in ks for n in topk}
    for rows in _chunks(len(queries)):
        labels = support_labels[row[rows]]
        for k in ks:
            scores = knn_scores(cosine[rows, :k], labels[:, :k], len(classes), temperature)
            rank = _rank(scores, target[rows])
            for n in topk:
                hits[f'top{n}_k{k}'] += int(((rank < min(n, k)) & known[rows]).sum())
    return hits


def _chunks(length: int) -> Iterator[slice]:
    return (slice(start, start + QUERY_CHUNK) for start in range(0, length, QUERY_CHUNK))


def knn_accuracy(
    support: Tensor,
    support_labels: Tensor,
    queries: Tensor,
    query_labels: Tensor,
    ks: Sequence[int],
    temperature: float = 0.07,
    topk: Sequence[int] = (1, 5),
) -> dict[str, float]:
    """Percentage of queries whose class is among the first of the weighted k-NN vote.

    Features need not be normalised: it is done here. Labels are any integers. A ``k`` above the
    size of the support set takes all of it; it is reported under the name asked for. As published,
    classes without a vote follow those with one, in class order, and top-n with ``k`` below n is
    top-k. A query whose class the support set does not have is a miss.

    Args:
        support: (N, C) features of labelled images.
        support_labels: (N,) integers.
        queries: (Q, C) features.
        query_labels: (Q,) integers.
        ks: Numbers of neighbours; all are read from one search.
        temperature: Of the vote.
        topk: The n of top-n.

    Returns:
        Percentages under the names 'top1_k10', 'top5_k10' and so on.

    Raises:
        ValueError: A set is empty, widths or numbers of labels differ, or a setting is not
            positive.
    """
    if len(queries) == 0:
        raise ValueError('k-NN got no queries: give it at least one labelled image')
    hits = knn_hits(support, support_labels, queries, query_labels, ks, temperature, topk)
    return {name: 100 * count / len(queries) for name, count in hits.items()}


@METRICS.register_module()
class KNNAccuracy:
    """Settings of the k-NN evaluation that :class:`.KNNLoop` runs.

    Args:
        k: Numbers of neighbours, evaluated together.
        temperature: Of the weights exp(cosine / temperature).
        topk: The n of top-n accuracy.
        prefix: Stands before the metrics' names, as in 'knn/top1_k20'.

    Raises:
        ValueError: A setting is not positive.
    """

    def __init__(
        self,
        k: int | Sequence[int] = (10, 20),
        temperature: float = 0.07,
        topk: Sequence[int] = (1, 5),
        prefix: str = 'knn',
    ) -> None:
        self.ks = (k,) if isinstance(k, int) else tuple(k)
        self.topk = tuple(topk)
        _check_positive('k', self.ks)
        _check_positive('topk', self.topk)
        _check_temperature(temperature)
        self.temperature = temperature
        self.prefix = prefix

    def compute(
        self, support: Tensor, support_labels: Tensor, queries: Tensor, query_labels: Tensor
    ) -> dict[str, float]:
        """Accuracies in percent over the queries of all processes.

        Args:
            support: (N, C) features of the whole support set, the same in every process.
            support_labels: (N,) integers.
            queries: (Q, C) features of this process's queries; Q may be 0 in some processes.
            query_labels: (Q,) integers.

        Raises:
            ValueError: As `knn_accuracy`.
        """
        hits = knn_hits(
            support, support_labels, queries, query_labels, self.ks, self.temperature, self.topk
        )
        counts = torch.tensor([*hits.values(), len(queries)], device=queries.device)
        all_reduce(counts)
        *correct, total = counts.tolist()
        if total == 0:
            raise ValueError('k-NN got no queries: give val_dataloader at least one image')
        return {
            f'{self.prefix}/{name}': 100 * count / total
            for name, count in zip(hits, correct, strict=True)
        }
