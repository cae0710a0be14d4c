"""Quality of rankings: average precision and precision at k, with images that do not count.

The measures of the revisited Oxford and Paris sets (arXiv:1803.11285, section 3.3) and of Holidays
and Copydays: the area under the precision-recall curve by the trapezoid rule.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch.nn.functional as F
from torch import Tensor

SIMILARITIES_AT_ONCE = 1 << 24  # 64 MiB in float32; sorting takes four times that


class Relevance(NamedTuple):
    """Which images of the database answer a query.

    Attributes:
        positives: Their numbers.
        junk: Numbers of images that are taken out of the ranking before it is looked at.
    """

    positives: np.ndarray
    junk: np.ndarray


class RankingQuality(NamedTuple):
    """Means over the queries that have a positive.

    Attributes:
        mean_average_precision: 0 to 1; NaN without a query.
        mean_precision: The same for each k.
        average_precision: (Q,) of each query, NaN where there is no positive.
    """

    mean_average_precision: float
    mean_precision: dict[int, float]
    average_precision: np.ndarray


def average_precision(places: Sequence[int] | np.ndarray, positives: int) -> float:
    """Area under the precision-recall curve, by trapezoids from each positive to the next.

    Args:
        places: Of the positives in the ranking, counted from 0, ascending. One that was not
            found is left out.
        positives: How many there are.
    """
    places = np.asarray(places, dtype=np.int64)
    found = np.arange(len(places))
    before = np.where(places > 0, found / np.maximum(places, 1), 1.0)
    after = (found + 1) / (places + 1)
    return float((before + after).sum() / 2 / positives)


def precision_at(places: Sequence[int] | np.ndarray, k: int) -> float:
    """Share of positives among the first k, or among those up to the last positive if fewer.

    Args:
        places: Of the positives in the ranking, counted from 0, ascending.
        k: At least 1.
    """
    places = np.asarray(places)
    if not len(places):
        return 0.0
    looked_at = min(int(places[-1]) + 1, k)
    return float((places < looked_at).sum() / looked_at)


def places_of_positives(ranking: np.ndarray, relevance: Relevance) -> np.ndarray:
    """Places of the positives, counted from 0, once the junk is taken out.

    Args:
        ranking: Numbers of the images, the best first; it may end before the last image.
        relevance: Of the query.
    """
    ranking = ranking[~np.isin(ranking, relevance.junk)]
    return np.flatnonzero(np.isin(ranking, relevance.positives))


def rank(queries: Tensor, database: Tensor, kept: int | None = None) -> Iterator[np.ndarray]:
    """Rankings by cosine: for each query the numbers of the images, the most similar first.

    Args:
        queries: (Q, C) features of any length.
        database: (N, C).
        kept: So many of each ranking at most.

    Yields:
        (N or kept,) int64 arrays, one a query. Equally similar images come in their order. Only a
        block of queries is compared at once.
    """
    queries, database = (F.normalize(f.float(), dim=1) for f in (queries, database))
    for block in queries.split(max(1, SIMILARITIES_AT_ONCE // max(1, len(database)))):
        similarity = block @ database.T
        order = similarity.sort(dim=1, descending=True, stable=True).indices[:, :kept]
        yield from order.cpu().numpy()


def ranking_quality(
    queries: Tensor,
    database: Tensor,
    relevance: Sequence[Sequence[Relevance]],
    ks: Sequence[int] = (1, 5, 10),
    kept: int | None = None,
) -> list[RankingQuality]:
    """Ranks the database for each query by cosine and measures the ranking.

    Args:
        queries: (Q, C) features of any length.
        database: (N, C).
        relevance: For each setting (easy, medium ...) what answers each of the Q queries.
        ks: For the precision at k.
        kept: The ranking ends there; positives further down are not found.

    Returns:
        The quality in each setting. Queries without a positive do not count.

    Raises:
        ValueError: The numbers of features and of queries' answers do not fit.
    """
    for setting in relevance:
        if len(setting) != len(queries):
            raise ValueError(
                f'{len(queries)} query features, but the answers to {len(setting)} queries: give '
                'one of each a query'
            )
    precisions = np.full((len(relevance), len(queries)), math.nan)
    at_k = np.full((len(relevance), len(queries), len(ks)), math.nan)
    for query, ranking in enumerate(rank(queries, database, kept)):
        for number, setting in enumerate(relevance):
            answer = setting[query]
            if not len(answer.positives):
                continue
            places = places_of_positives(ranking, answer)
            precisions[number, query] = average_precision(places, len(answer.positives))
            at_k[number, query] = [precision_at(places, k) for k in ks]
    return [
        RankingQuality(
            _mean(of_queries),
            {k: _mean(of_k) for k, of_k in zip(ks, of_ks.T, strict=True)},
            of_queries,
        )
        for of_queries, of_ks in zip(precisions, at_k, strict=True)
    ]


def leave_one_out(labels: Tensor | np.ndarray) -> list[Relevance]:
    """Every image asks for the others of its class; itself does not count."""
    labels = np.asarray(labels)
    members = {label: np.flatnonzero(labels == label) for label in np.unique(labels)}
    return [
        Relevance(members[label][members[label] != i], np.array([i]))
        for i, label in enumerate(labels)
    ]


def _mean(values: np.ndarray) -> float:
    counted = values[~np.isnan(values)]
    return float(counted.mean()) if len(counted) else math.nan
