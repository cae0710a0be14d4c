import math

import numpy as np
import pytest
import torch

from dinomm.evaluation import ranking
from dinomm.evaluation.ranking import (
    Relevance,
    average_precision,
    leave_one_out,
    places_of_positives,
    precision_at,
    rank,
    ranking_quality,
)


def area_under_curve(relevant, positives):
    """The definition, position by position: a trapezoid wherever the recall rises."""
    area, hits = 0.0, 0
    for position, is_relevant in enumerate(relevant):
        if not is_relevant:
            continue
        left = hits / position if position else 1.0
        hits += 1
        area += (left + hits / (position + 1)) / 2 / positives
    return area


@pytest.mark.parametrize(
    ('places', 'positives', 'expected'),
    [
        ([0, 1, 2], 3, 1.0),
        ([0, 2], 2, (1 + (1 / 2 + 2 / 3) / 2) / 2),  # by hand: 19/24
        ([1], 1, (0 + 1 / 2) / 2),
        ([3], 2, (0 + 1 / 4) / 2 / 2),  # the other one was not found
        ([], 2, 0.0),
    ],
)
def test_average_precision_by_hand(places, positives, expected):
    assert average_precision(places, positives) == pytest.approx(expected, abs=1e-12)


def test_average_precision_is_the_area_under_the_curve():
    rng = np.random.default_rng(0)
    for _ in range(20):
        relevant = rng.random(30) < 0.3
        places = np.flatnonzero(relevant)
        expected = area_under_curve(relevant, len(places) + 2)
        assert average_precision(places, len(places) + 2) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ('places', 'k', 'expected'),
    [
        ([0, 2], 1, 1.0),
        ([0, 2], 3, 2 / 3),
        ([0, 2], 10, 2 / 3),  # nothing is asked for beyond the last positive
        ([1, 6], 5, 1 / 5),
        ([], 5, 0.0),
    ],
)
def test_precision_ends_at_the_last_positive(places, k, expected):
    assert precision_at(places, k) == pytest.approx(expected)


def test_junk_is_taken_out_of_the_ranking():
    relevance = Relevance(positives=np.array([4, 2]), junk=np.array([0, 3]))
    places = places_of_positives(np.array([3, 1, 4, 0, 5, 2]), relevance)
    assert places.tolist() == [1, 3]


def test_a_ranking_is_by_cosine_and_equals_keep_their_order():
    database = torch.tensor([[0.0, 9.0], [2.0, 0.0], [0.1, 0.0], [-1.0, 0.0], [1.0, 1.0]])
    (of_query,) = rank(torch.tensor([[5.0, 0.0]]), database)
    assert of_query.tolist() == [1, 2, 4, 0, 3]
    (of_query,) = rank(torch.tensor([[5.0, 0.0]]), database, kept=2)
    assert of_query.tolist() == [1, 2]


def test_blocks_of_queries_do_not_change_a_ranking(monkeypatch):
    features = torch.randn(23, 5, generator=torch.Generator().manual_seed(0))
    together = [of_query.tolist() for of_query in rank(features[:7], features)]
    monkeypatch.setattr(ranking, 'SIMILARITIES_AT_ONCE', 50)
    assert [of_query.tolist() for of_query in rank(features[:7], features)] == together


def test_quality_in_two_settings_by_hand():
    """Ranking of both queries: 0 1 2 3. A query without a positive does not count."""
    database = torch.tensor([[1.0, 0.0], [1.0, 0.1], [1.0, 0.5], [0.0, 1.0]])
    queries = torch.tensor([[1.0, 0.0], [2.0, 0.0]])
    none = np.array([], dtype=int)
    lenient = [Relevance(np.array([0, 2]), none), Relevance(none, none)]
    strict = [Relevance(np.array([2]), np.array([0])), Relevance(np.array([0]), none)]
    nothing = [Relevance(none, none)] * 2
    first, second, empty = ranking_quality(queries, database, [lenient, strict, nothing], ks=(1, 5))
    assert first.mean_average_precision == pytest.approx(19 / 24)
    assert first.mean_precision == pytest.approx({1: 1.0, 5: 2 / 3})
    assert np.isnan(first.average_precision).tolist() == [False, True]
    assert second.mean_average_precision == pytest.approx((1 / 4 + 1) / 2)
    assert second.mean_precision == pytest.approx({1: 0.5, 5: 0.75})
    assert math.isnan(empty.mean_average_precision)


def test_a_positive_beyond_what_is_kept_is_not_found():
    database = torch.tensor([[1.0, 0.0], [1.0, 0.1], [1.0, 0.5]])
    answers = [[Relevance(np.array([0, 2]), np.array([], dtype=int))]]
    (kept,) = ranking_quality(database[:1], database, answers, kept=2)
    assert kept.mean_average_precision == pytest.approx(0.5)


def test_answers_must_be_as_many_as_queries():
    with pytest.raises(ValueError, match='2 query features, but the answers to 1 queries'):
        ranking_quality(torch.eye(2), torch.eye(2), [[Relevance(np.array([0]), np.array([]))]])


def test_leave_one_out_asks_for_the_others_of_the_class():
    relevance = leave_one_out(torch.tensor([7, 3, 7, 7]))
    assert [answer.positives.tolist() for answer in relevance] == [[2, 3], [], [0, 3], [0, 2]]
    assert [answer.junk.tolist() for answer in relevance] == [[0], [1], [2], [3]]
