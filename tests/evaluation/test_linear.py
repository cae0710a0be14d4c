import math

import pytest
import torch
import torch.nn.functional as F

from dinomm.evaluation.linear import (
    LinearProbes,
    Variant,
    columns,
    held_out_rows,
    probe_ranks,
    shuffled_batches,
    train_probes,
)


def clusters(images, seed, noise=1.0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(images) % 3
    centers = 2 * torch.randn(3, 6, generator=torch.Generator().manual_seed(9))
    return centers[labels] + noise * torch.randn(images, 6, generator=generator), labels


def test_columns_of_a_row():
    row = torch.arange(9)[None]  # blocks of 2, 3 and 2, patches of 2
    read = lambda *variant: row[:, columns(Variant(*variant), (2, 3, 2, 2), True)][0].tolist()  # noqa: E731
    assert read(1) == [5, 6] and read(2) == [2, 3, 4, 5, 6]
    assert read(1, True) == [5, 6, 7, 8]
    assert row[:, columns(Variant(1), (4, 5), False)][0].tolist() == [4, 5, 6, 7, 8]
    with pytest.raises(ValueError, match='hold 3'):
        columns(Variant(4), (2, 3, 2, 2), True)
    with pytest.raises(ValueError, match='no mean of the patches'):
        columns(Variant(1, True), (2, 3), False)


def test_each_probe_of_a_grid_is_trained_as_if_it_were_alone():
    """By torch's own SGD on one nn.Linear, with the published rule of the rate."""
    rows, labels = clusters(40, seed=1)
    variants, rates, epochs, batch = [Variant(1), Variant(2)], [0.5, 5.0], 3, 16
    probes = LinearProbes(variants, rates, (2, 4), False, 3, seed=4)
    starts = [probes.head(number) for number in range(4)]
    starts = [(weight.clone(), bias.clone(), probe) for weight, bias, probe in starts]
    batches = shuffled_batches(rows, labels, batch, seed=7)
    train_probes(probes, batches, clusters(12, seed=2), epochs, 3, batch, lambda line: None)
    for number, (weight, bias, (variant, rate)) in enumerate(starts):
        assert 0 < weight.std() < 0.03 and not bias.any()
        part = rows[:, 2:] if variant.blocks == 1 else rows
        layer = torch.nn.Linear(part.shape[1], 3)
        layer.load_state_dict({'weight': weight, 'bias': bias})
        sgd = torch.optim.SGD(layer.parameters(), lr=1, momentum=0.9)
        step = 0
        for epoch in range(epochs):
            for chosen, classes in shuffled_batches(part, labels, batch, seed=7)(epoch):
                cosine = 0.5 * (1 + math.cos(math.pi * step / 9))
                sgd.param_groups[0]['lr'] = rate * batch / 256 * cosine
                sgd.zero_grad()
                F.cross_entropy(layer(chosen), classes).backward()
                sgd.step()
                step += 1
        assert step == 9
        torch.testing.assert_close(probes.head(number)[0], layer.weight.data, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(probes.head(number)[1], layer.bias.data, rtol=1e-4, atol=1e-6)


def test_best_is_over_all_epochs_and_last_is_of_the_last():
    rows, labels = clusters(60, seed=1)
    probes = LinearProbes([Variant(1)], [1e-6, 1.0], (6,), False, 3)
    batches = shuffled_batches(rows, labels, 20, 0)
    found = train_probes(probes, batches, clusters(30, 2), 5, 3, 20, lambda line: None)
    assert found.accuracies.shape == (5, 2)
    assert found.last.probe == found.accuracies[-1].argmax() == 1
    assert found.last.epoch == 5
    assert found.best.held_out == pytest.approx(found.accuracies.max().item())
    first = (found.accuracies.max(1).values == found.accuracies.max()).nonzero()[0].item()
    assert found.best.epoch == first + 1
    assert found.best.held_out > 80


def test_a_diverged_probe_and_an_unknown_class_are_no_hits():
    probes = LinearProbes([Variant(1)], [1.0, 1.0], (2,), False, 2)
    with torch.no_grad():
        probes.weights[0].copy_(torch.eye(2).expand(2, 2, 2))
        probes.weights[0][1] = math.nan
    rows = torch.tensor([[3.0, 1.0], [1.0, 3.0], [1.0, 1.0], [3.0, 1.0]])
    ranks = probe_ranks(probes, rows, torch.tensor([0, 0, 0, -1]))
    assert ranks[0].tolist() == [0, 1, 1, 2]
    assert ranks[1].min() > 0


def test_held_out_images_of_each_class():
    labels = torch.tensor([0] * 50 + [1] * 20 + [2] * 2 + [3])
    held_out = held_out_rows(labels, 0.1, seed=3)
    assert [int(held_out[labels == c].sum()) for c in range(4)] == [5, 2, 1, 0]
    assert torch.equal(held_out, held_out_rows(labels, 0.1, seed=3))
    assert not torch.equal(held_out, held_out_rows(labels, 0.1, seed=4))
    with pytest.raises(ValueError, match='one image only'):
        held_out_rows(torch.arange(3), 0.1, 0)
    with pytest.raises(ValueError, match='between 0 and 1'):
        held_out_rows(labels, 1.0, 0)


def test_every_image_comes_once_an_epoch_in_a_new_order():
    rows, labels = torch.arange(10.0)[:, None], torch.arange(10)
    batches = shuffled_batches(rows, labels, 4, seed=0)
    orders = [torch.cat([classes for _, classes in batches(epoch)]).tolist() for epoch in (0, 1)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(10))
    assert orders[0] != orders[1] and [len(c) for _, c in batches(0)] == [4, 4, 2]
    assert all(torch.equal(r[:, 0].long(), c) for r, c in batches(0))
