import math
import sys

import pytest
import torch
import torch.nn.functional as F

from dinomm.evaluation import neighbors
from dinomm.evaluation.knn import (
    KNNAccuracy,
    few_shot_rows,
    knn_accuracy,
    knn_grid,
    knn_scores,
)
from dinomm.evaluation.neighbors import nearest_neighbors
from dinomm.registry import METRICS


def clusters(images, classes, width=16, noise=0.8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    centers = torch.randn(classes, width, generator=torch.Generator().manual_seed(99))
    labels = torch.randint(classes, (images,), generator=generator)
    return centers[labels] + noise * torch.randn(images, width, generator=generator), labels


def vote_by_loops(support, support_labels, queries, query_labels, k, temperature):
    """Top-1 and top-5 in percent, one query and one neighbour at a time."""
    classes = support_labels.unique().tolist()
    hits = {1: 0, 5: 0}
    for query, label in zip(F.normalize(queries, dim=1), query_labels.tolist(), strict=True):
        cosine = F.normalize(support, dim=1) @ query
        score = dict.fromkeys(classes, 0.0)
        for row in cosine.argsort(descending=True)[:k]:
            score[int(support_labels[row])] += math.exp(float(cosine[row]) / temperature)
        order = sorted(classes, key=lambda c: -score[c])
        for n in hits:
            hits[n] += label in order[:n]
    return {f'top{n}_k{k}': 100 * count / len(queries) for n, count in hits.items()}


def test_equals_a_vote_by_loops():
    support, support_labels = clusters(90, 9)
    queries, query_labels = clusters(41, 9, seed=1)
    found = knn_accuracy(support, support_labels, queries, query_labels, (7, 20), 0.1)
    expected = {}
    for k in (7, 20):
        expected |= vote_by_loops(support, support_labels, queries, query_labels, k, 0.1)
    assert found == pytest.approx(expected)
    assert found['top1_k7'] < found['top5_k7'] <= 100


def test_scores_of_a_worked_example():
    support = torch.tensor([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9], [0.7, 0.7]])
    labels = torch.tensor([0, 0, 1, 1, 1])
    cosine, row = nearest_neighbors(support, torch.tensor([[0.8, 0.4]]), 3)
    assert row.tolist() == [[4, 1, 0]]
    scores = knn_scores(cosine, labels[row], 2, 0.07)
    assert (scores / scores.sum())[0].tolist() == pytest.approx([0.56958497, 0.43041503])


@pytest.mark.parametrize('chunk', [1, 3, 64])
def test_chunks_do_not_change_the_neighbours(monkeypatch, chunk):
    support, _ = clusters(50, 5)
    queries, _ = clusters(17, 5, seed=1)
    expected = (F.normalize(queries, dim=1) @ F.normalize(support, dim=1).T).topk(11)
    monkeypatch.setattr(neighbors, 'QUERY_CHUNK', chunk)
    monkeypatch.setattr(neighbors, 'SUPPORT_CHUNK', chunk)
    found = nearest_neighbors(support, queries, 11)
    torch.testing.assert_close(found.cosine, expected.values)
    assert torch.equal(found.row, expected.indices)


def test_similarities_are_made_in_blocks(monkeypatch):
    monkeypatch.setattr(neighbors, 'QUERY_CHUNK', 8)
    monkeypatch.setattr(neighbors, 'SUPPORT_CHUNK', 16)
    shapes = []
    merge = neighbors._merge

    def watched(block, *args):
        shapes.append(tuple(block.shape))
        return merge(block, *args)

    monkeypatch.setattr(neighbors, '_merge', watched)
    nearest_neighbors(torch.randn(40, 4), torch.randn(20, 4), 5)
    assert max(shapes) == (8, 16)
    assert len(shapes) == 9


def test_length_of_features_does_not_matter():
    support, support_labels = clusters(60, 4)
    queries, query_labels = clusters(30, 4, seed=1)
    lengths = torch.linspace(0.01, 100, 60)[:, None]
    plain = knn_accuracy(support, support_labels, queries, query_labels, (10,))
    assert plain == knn_accuracy(support * lengths, support_labels, queries, query_labels, (10,))


def test_labels_need_not_be_contiguous():
    support, support_labels = clusters(80, 6)
    queries, query_labels = clusters(40, 6, seed=1)
    names = torch.tensor([-7, 3, 4, 1000, 10**12, 2 * 10**12])
    plain = knn_accuracy(support, support_labels, queries, query_labels, (5, 10))
    renamed = knn_accuracy(support, names[support_labels], queries, names[query_labels], (5, 10))
    assert renamed == plain


def test_fewer_images_than_k_and_fewer_classes_than_five():
    support = torch.eye(3)
    labels = torch.tensor([0, 1, 1])
    accuracy = knn_accuracy(support, labels, support, labels, (200,))
    assert accuracy == {'top1_k200': 100.0, 'top5_k200': 100.0}


def test_top5_of_one_neighbour_is_top1():
    support, support_labels = clusters(60, 9, noise=2)
    queries, query_labels = clusters(30, 9, noise=2, seed=1)
    accuracy = knn_accuracy(support, support_labels, queries, query_labels, (1,))
    assert 0 < accuracy['top5_k1'] == accuracy['top1_k1'] < 100


@pytest.mark.parametrize('unknown', [-1, 1, 5])
def test_class_that_the_support_set_lacks_is_a_miss(unknown):
    support, labels = torch.eye(2), torch.tensor([0, 2])
    query_labels = torch.tensor([0, unknown])
    assert knn_accuracy(support, labels, support, query_labels, (2,))['top1_k2'] == 50
    assert knn_accuracy(support, labels, support, query_labels, (2,))['top5_k2'] == 50


def test_low_temperature_does_not_overflow():
    support, support_labels = clusters(60, 4)
    queries, query_labels = clusters(30, 4, seed=1)
    sharp = knn_accuracy(support, support_labels, queries, query_labels, (10,), temperature=1e-4)
    nearest = knn_accuracy(support, support_labels, queries, query_labels, (1,))
    assert sharp['top1_k10'] == nearest['top1_k1']


def test_similarity_is_float32_under_autocast():
    support, queries = torch.randn(200, 64), torch.randn(20, 64)
    plain = nearest_neighbors(support, queries, 5)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        found = nearest_neighbors(support, queries, 5)
    assert torch.equal(found.cosine, plain.cosine)
    halves = nearest_neighbors(support.half(), queries.half(), 5)
    assert halves.cosine.dtype == torch.float32


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'support': torch.empty(0, 4), 'support_labels': torch.empty(0).long()}, 'empty'),
        ({'queries': torch.empty(0, 4), 'query_labels': torch.empty(0).long()}, 'no queries'),
        ({'support_labels': torch.zeros(5).long()}, '6 support features'),
        ({'query_labels': torch.zeros(4).long()}, '3 query features'),
        ({'queries': torch.randn(3, 5)}, '4 wide, query features 5'),
        ({'queries': torch.full((3, 4), math.nan)}, 'diverged'),
        ({'support': torch.randn(6, 2, 2)}, r'\(6, 2, 2\)'),
        ({'ks': ()}, 'k = '),
        ({'ks': (0,)}, 'k = '),
        ({'temperature': 0.0}, 'temperature = '),
        ({'topk': (0,)}, 'topk = '),
    ],
)
def test_wrong_input(change, message):
    arguments = {
        'support': torch.randn(6, 4),
        'support_labels': torch.zeros(6).long(),
        'queries': torch.randn(3, 4),
        'query_labels': torch.zeros(3).long(),
        'ks': (2,),
    }
    with pytest.raises(ValueError, match=message):
        knn_accuracy(**(arguments | change))


def test_metric_is_registered_and_names_its_results():
    metric = METRICS.build({'type': 'KNNAccuracy', 'k': (2, 4), 'prefix': 'digits'})
    support, support_labels = clusters(60, 4)
    queries, query_labels = clusters(30, 4, seed=1)
    found = metric.compute(support, support_labels, queries, query_labels)
    plain = knn_accuracy(support, support_labels, queries, query_labels, (2, 4))
    assert found == {f'digits/{name}': value for name, value in plain.items()}


@pytest.mark.parametrize(
    'settings', [{'k': 0}, {'k': ()}, {'k': (10, 1.5)}, {'temperature': -1}, {'topk': (0,)}]
)
def test_metric_refuses_settings(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        KNNAccuracy(**settings)


def test_several_temperatures_from_one_search():
    support, queries = clusters(90, 9), clusters(41, 9, seed=1)
    found = knn_grid(*support, *queries, (7, 500), (0.07, 1.0))
    assert list(found) == ['T=0.07', 'T=1']
    for name, temperature in (('T=0.07', 0.07), ('T=1', 1.0)):
        assert found[name] == knn_accuracy(*support, *queries, (7, 500), temperature)
    with pytest.raises(ValueError, match='temperatures is empty'):
        knn_grid(*support, *queries, (7,), ())


def test_few_shot_draws_of_each_class():
    labels = torch.tensor([5] * 30 + [7] * 20 + [9] * 2)
    rows = few_shot_rows(labels, 4, seed=0)
    assert labels[rows].tolist() == [5] * 4 + [7] * 4 + [9] * 2
    assert torch.equal(rows, few_shot_rows(labels, 4, seed=0))
    assert not torch.equal(rows, few_shot_rows(labels, 4, seed=1))
    with pytest.raises(ValueError, match='shots'):
        few_shot_rows(labels, 0, 0)


def test_faiss_finds_the_same_neighbours():
    pytest.importorskip('faiss')
    support, queries = clusters(500, 9)[0], clusters(41, 9, seed=1)[0]
    expected = nearest_neighbors(support, queries, 20)
    found = nearest_neighbors(support, queries, 20, 'faiss')
    assert torch.equal(found.row, expected.row)
    torch.testing.assert_close(found.cosine, expected.cosine)
    assert nearest_neighbors(support, queries[:0], 20, 'faiss').row.shape == (0, 20)


def test_without_faiss_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, 'faiss', None)
    with pytest.raises(ValueError, match='faiss-cpu'):
        nearest_neighbors(torch.randn(4, 2), torch.randn(2, 2), 1, 'faiss')


def test_half_precision_features_give_nearly_the_same():
    support, queries = clusters(200, 9)[0], clusters(41, 9, seed=1)[0]
    expected = nearest_neighbors(support, queries, 20).cosine
    found = nearest_neighbors(support.half(), queries.half(), 20)
    assert found.cosine.dtype == torch.float32
    torch.testing.assert_close(found.cosine, expected, atol=2e-3, rtol=0)
