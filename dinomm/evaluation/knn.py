"""Weighted k-nearest-neighbour classification of frozen features.

The protocol of DINO (arXiv:2104.14294, section 4.1; the vote is that of arXiv:1805.01978,
section 3.4): features are L2-normalised, not centred; each of a query's k nearest support images
votes for its class with the weight exp(cosine / temperature).
"""

from collections.abc import Iterator, Sequence

import torch
from mmengine.dist import all_reduce, get_dist_info
from torch import Tensor

from dinomm.registry import METRICS

from .neighbors import QUERY_CHUNK, Neighbors, Search, nearest_neighbors


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
    _check_labels('support', support, support_labels)
    _check_labels('query', queries, query_labels)
    neighbors = nearest_neighbors(support, queries, max(ks))
    ranks = vote_ranks(neighbors, support_labels, query_labels, ks, temperature)
    return count_hits(ranks, topk)


def vote_ranks(
    neighbors: Neighbors,
    support_labels: Tensor,
    query_labels: Tensor,
    ks: Sequence[int],
    temperature: float = 0.07,
) -> dict[int, Tensor]:
    """Place of each query's class in the vote of its ``k`` nearest, for each k.

    Args:
        neighbors: Of Q queries, at least the largest k of them, or the whole support set.
        support_labels: (N,) integers.
        query_labels: (Q,) integers.
        ks: Numbers of neighbours that vote.
        temperature: Of the vote.

    Returns:
        (Q,) places from 0; at least k for a class that the support set does not have.

    Raises:
        ValueError: A setting is not positive.
    """
    _check_positive('k', ks)
    _check_temperature(temperature)
    cosine, row = neighbors
    # Classes are numbered by the support set's labels, which need not be contiguous.
    classes, support_labels = support_labels.to(cosine.device).unique(return_inverse=True)
    query_labels = query_labels.to(cosine.device).contiguous()
    target = torch.searchsorted(classes, query_labels).clamp(max=len(classes) - 1)
    known = classes[target] == query_labels
    ranks = {k: torch.empty_like(target) for k in ks}
    for rows in _chunks(len(cosine)):
        labels = support_labels[row[rows]]
        for k in ks:
            scores = knn_scores(cosine[rows, :k], labels[:, :k], len(classes), temperature)
            missed = max(k, len(classes))
            ranks[k][rows] = torch.where(known[rows], _rank(scores, target[rows]), missed)
    return ranks


def count_hits(ranks: dict[int, Tensor], topk: Sequence[int] = (1, 5)) -> dict[str, int]:
    """How many places of `vote_ranks` are among the first n, as 'top1_k20' and so on."""
    _check_positive('topk', topk)
    return {
        f'top{n}_k{k}': int((place < min(n, k)).sum()) for k, place in ranks.items() for n in topk
    }


def few_shot_rows(labels: Tensor, shots: int, seed: int) -> Tensor:
    """Rows of ``shots`` images of each class, drawn by ``seed``; of a smaller class all.

    Args:
        labels: (N,) integers.
        shots: Images of a class.
        seed: Draws.

    Returns:
        Ascending rows.
    """
    _check_positive('shots', [shots])
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    drawn = [order[labels[order] == label][:shots] for label in labels.unique()]
    return torch.cat(drawn).sort().values


def knn_grid(
    support: Tensor,
    support_labels: Tensor,
    queries: Tensor,
    query_labels: Tensor,
    ks: Sequence[int],
    temperatures: Sequence[float] = (0.07,),
    topk: Sequence[int] = (1, 5),
    search: Search = 'torch',
) -> dict[str, dict[str, float]]:
    """`knn_accuracy` for several temperatures, from one search.

    Under several processes the queries are shared out: each gives all of them.

    Returns:
        For each temperature ('T=0.07') percentages as of `knn_accuracy`.

    Raises:
        ValueError: As `knn_accuracy`, or faiss is asked for and not installed.
    """
    _check_labels('support', support, support_labels)
    _check_labels('query', queries, query_labels)
    _check_positive('k', ks)
    if not temperatures:
        raise ValueError('temperatures is empty: give at least one, as .07')
    if len(queries) == 0:
        raise ValueError('k-NN got no queries: give it at least one labelled image')
    rank, processes = get_dist_info()
    mine, own_labels = queries[rank::processes], query_labels[rank::processes]
    neighbors = nearest_neighbors(support, mine, max(ks), search)
    figures = {}
    for temperature in temperatures:
        ranks = vote_ranks(neighbors, support_labels, own_labels, ks, temperature)
        hits = count_hits(ranks, topk)
        counts = torch.tensor([*hits.values()], device=queries.device)
        all_reduce(counts)
        figures[f'T={temperature:g}'] = {
            name: 100 * count / len(queries)
            for name, count in zip(hits, counts.tolist(), strict=True)
        }
    return figures


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
