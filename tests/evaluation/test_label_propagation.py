import pytest
import torch
import torch.nn.functional as F

from dinomm.evaluation import label_propagation
from dinomm.evaluation.label_propagation import (
    Propagation,
    label_map,
    one_hot_labels,
    propagate_labels,
    propagate_through,
)

GRID = (4, 5)


def regions(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def by_definition(target, sources, labels, grid, constants):
    """Region by region, over the regions of all sources within the square window."""
    height, width = grid
    found = torch.zeros(height * width, labels.shape[-1])
    for y in range(height):
        for x in range(width):
            near = [
                (s, v * width + u)
                for s in range(len(sources))
                for v in range(height)
                for u in range(width)
                if max(abs(v - y), abs(u - x)) <= constants.radius
            ]
            here = target[y * width + x]
            cosine = torch.stack([F.cosine_similarity(here, sources[s, i], dim=0) for s, i in near])
            weight = (cosine / constants.temperature).exp()
            kept = cosine.argsort(descending=True)[: constants.top]
            for i in kept:
                found[y * width + x] += weight[i] / weight[kept].sum() * labels[near[i]]
    return found


@pytest.mark.parametrize(
    'constants',
    [Propagation(), Propagation(radius=1), Propagation(radius=2, top=3, temperature=0.5)],
)
def test_labels_by_the_definition(constants):
    target, sources = regions(20, 6), 3 * regions(3, 20, 6, seed=1)
    labels = regions(3, 20, 4, seed=2).softmax(-1)
    found = propagate_labels(target, sources, labels, GRID, constants)
    expected = by_definition(target, sources, labels, GRID, constants)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_parts_of_the_target_do_not_change_the_labels(monkeypatch):
    target, sources, labels = regions(20, 6), regions(3, 20, 6, seed=1), regions(3, 20, 4).abs()
    whole = propagate_labels(target, sources, labels, GRID)
    monkeypatch.setattr(label_propagation, 'SIMILARITIES_AT_ONCE', 130)
    torch.testing.assert_close(propagate_labels(target, sources, labels, GRID), whole)


def test_all_that_equal_the_last_of_the_best_count():
    """Four equal regions, of which two are asked for."""
    labels = one_hot_labels(torch.tensor([[0, 1, 2, 3]]), 3)[None]
    same = torch.ones(4, 3)
    found = propagate_labels(same, same[None], labels, (1, 4), Propagation(top=2))
    torch.testing.assert_close(found, torch.full((4, 4), 0.25))


def test_float32_under_autocast():
    target, sources, labels = regions(20, 6), regions(2, 20, 6, seed=1), regions(2, 20, 4).abs()
    with torch.autocast('cpu', torch.bfloat16):
        found = propagate_labels(target, sources, labels, GRID)
    assert torch.equal(found, propagate_labels(target, sources, labels, GRID))


def test_a_moving_object_is_followed():
    """Each region has a feature of its own, and all move right by one in every frame."""
    frames = [torch.eye(20).view(4, 5, 20).roll(t, 1).flatten(0, 1) for t in range(5)]
    first = torch.zeros(4, 5, dtype=torch.long)
    first[1:3, 0] = 1
    constants = Propagation(top=1)
    found = list(propagate_through(frames, one_hot_labels(first, 1), GRID, constants))
    for t, labels in enumerate(found, 1):
        assert torch.equal(labels.argmax(1).view(4, 5), first.roll(t, 1))


def test_sources_are_the_first_frame_and_the_last_ones(monkeypatch):
    seen = []

    def note(target, sources, labels, grid, constants):
        seen.append((int(target[0, 0]), sources[:, 0, 0].int().tolist(), labels.tolist()))
        return target * 10

    monkeypatch.setattr(label_propagation, 'propagate_labels', note)
    frames = (torch.full((1, 1), float(t)) for t in range(6))
    assert len(list(propagate_through(frames, torch.zeros(1, 1), (1, 1), Propagation(2)))) == 5
    assert [(target, sources) for target, sources, _ in seen] == [
        (1, [0]),
        (2, [0, 1]),
        (3, [0, 1, 2]),
        (4, [0, 2, 3]),
        (5, [0, 3, 4]),
    ]
    assert seen[-1][2] == [[[0]], [[30]], [[40]]]


def test_wrong_shapes_and_constants():
    with pytest.raises(ValueError, match='do not fill a grid of 2x2'):
        propagate_labels(torch.ones(3, 2), torch.ones(1, 4, 2), torch.ones(1, 4, 1), (2, 2))
    with pytest.raises(ValueError, match='a row of labels'):
        propagate_labels(torch.ones(4, 2), torch.ones(1, 4, 2), torch.ones(2, 4, 1), (2, 2))
    for wrong in ({'top': 0}, {'radius': -1}, {'temperature': 0.0}, {'last_frames': -1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Propagation(**wrong).checked()
    assert Propagation(0, 0).checked() == (0, 0, 5, 0.1)


def test_a_weak_label_wins_where_it_is_strongest():
    """Its largest weight is .3, and it is stretched to 1 before labels are compared."""
    weights = torch.tensor([[0.7, 0.3], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    assert label_map(weights, (2, 2), (2, 2)).tolist() == [[1, 0], [0, 0]]


def test_labels_are_enlarged_bilinearly():
    """.5 is reached in the middle between the centres of two regions, 4 px each."""
    labels = one_hot_labels(torch.tensor([[0, 1]]), 1)
    assert label_map(labels, (1, 2), (4, 8))[0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]


def test_background_alone_stays_background():
    assert not label_map(one_hot_labels(torch.zeros(2, 3), 2), (2, 3), (8, 12)).any()
