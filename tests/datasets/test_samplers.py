from itertools import islice

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler
from torch.utils.data import BatchSampler, DataLoader

from dinomm.datasets import EpochSampler, SampleKey, samplers
from dinomm.datasets.samplers import start_at_batch


def sampler_of(monkeypatch, rank, world_size, length=23, **kwargs):
    monkeypatch.setattr(samplers, 'get_dist_info', lambda: (rank, world_size))
    return EpochSampler(range(length), seed=5, **kwargs)


def indices(sampler):
    return [key.index for key in sampler]


def test_an_epoch_is_a_permutation_with_keys():
    sampler = EpochSampler(range(23), seed=5)
    sampler.set_epoch(3)
    keys = list(sampler)
    assert sorted(key.index for key in keys) == list(range(23))
    assert {(key.seed, key.epoch) for key in keys} == {(5, 3)}
    assert all(type(value) is int for value in keys[0])
    assert list(sampler) == keys


def test_order_changes_with_epoch_and_seed():
    first = indices(EpochSampler(range(50), seed=5))
    later = EpochSampler(range(50), seed=5)
    later.set_epoch(1)
    other = indices(EpochSampler(range(50), seed=6))
    assert first != list(range(50))
    assert len({tuple(first), tuple(indices(later)), tuple(other)}) == 3


def test_without_shuffling_the_order_stays():
    sampler = EpochSampler(range(4), shuffle=False, seed=5)
    sampler.set_epoch(2)
    assert list(sampler) == [SampleKey(5, 2, i) for i in range(4)]


@pytest.mark.parametrize('world_size', [2, 3, 4])
def test_processes_share_the_global_batches_of_one(monkeypatch, world_size):
    alone = indices(sampler_of(monkeypatch, 0, 1))
    ranks = [indices(sampler_of(monkeypatch, r, world_size)) for r in range(world_size)]
    assert {len(rank) for rank in ranks} == {23 // world_size}
    per_rank = 2
    for i in range(23 // world_size // per_rank):
        together = [index for rank in ranks for index in rank[i * per_rank : (i + 1) * per_rank]]
        size = per_rank * world_size
        assert sorted(together) == sorted(alone[i * size : (i + 1) * size])


# ---- epochs of another size than the data set's


def keys_of(sampler, epochs):
    found = []
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        found.append(list(sampler))
    return found


def stream(length, samples):
    """(pass, index) of the first samples of an endless stream of permutations."""
    passes = -(-samples // length)
    orders = [np.random.default_rng((5, number)).permutation(length) for number in range(passes)]
    return [(number, int(i)) for number, order in enumerate(orders) for i in order][:samples]


@pytest.mark.parametrize('size', [1, 5, 23, 24, 46, 60])
def test_epochs_are_pieces_of_one_stream(size):
    epochs = keys_of(EpochSampler(range(23), seed=5, epoch_size=size), 4)
    assert [len(keys) for keys in epochs] == [size] * 4
    found = [key for keys in epochs for key in keys]
    assert [(key.epoch, key.index) for key in found] == stream(23, 4 * size)
    assert len(set(found)) == len(found)  # an image seen twice has other views


def test_without_a_size_an_epoch_is_a_pass():
    usual = keys_of(EpochSampler(range(23), seed=5), 3)
    assert usual == keys_of(EpochSampler(range(23), seed=5, epoch_size=23), 3)
    assert [(key.epoch, key.index) for keys in usual for key in keys] == stream(23, 3 * 23)


@pytest.mark.parametrize(('world_size', 'size'), [(2, 60), (3, 60), (4, 10), (30, 60)])
def test_processes_share_epochs_of_any_size(monkeypatch, world_size, size):
    alone = keys_of(sampler_of(monkeypatch, 0, 1, epoch_size=size), 3)
    ranks = [
        keys_of(sampler_of(monkeypatch, r, world_size, epoch_size=size), 3)
        for r in range(world_size)
    ]
    share = size // world_size
    for epoch, whole in enumerate(alone):
        for rank, keys in enumerate(ranks):
            assert keys[epoch] == whole[rank::world_size][:share]


@pytest.mark.parametrize('world_size', [1, 2])
def test_an_epoch_of_another_size_can_start_anywhere(monkeypatch, world_size):
    sampler = sampler_of(monkeypatch, world_size - 1, world_size, epoch_size=60)
    sampler.set_epoch(2)
    whole = list(sampler)
    for position in range(len(sampler) + 1):
        sampler.start_at(position)
        assert list(sampler) == whole[position:]
    assert list(sampler) == whole


def test_without_shuffling_the_stream_repeats_the_order():
    sampler = EpochSampler(range(4), shuffle=False, seed=5, epoch_size=6)
    assert [(k.epoch, k.index) for keys in keys_of(sampler, 2) for k in keys] == [
        (number, i) for number in range(3) for i in range(4)
    ]


@pytest.mark.parametrize('size', [0, -3, 2.5, '8', True])
def test_a_size_that_makes_no_sense(size):
    with pytest.raises(ValueError, match=r'epoch_size is .* whole number of images from 1'):
        EpochSampler(range(23), seed=5, epoch_size=size)


def test_start_at_holds_for_one_iteration(monkeypatch):
    sampler = sampler_of(monkeypatch, 1, 2)
    whole = list(sampler)
    sampler.start_at(4)
    assert len(sampler) == len(whole) == 11
    assert list(sampler) == whole[4:]
    assert list(sampler) == whole
    sampler.start_at(11)
    assert list(sampler) == []


def test_start_at_waits_for_the_first_sample():
    # a DataLoader may ask for an iterator that it never reads
    sampler = EpochSampler(range(6), shuffle=False, seed=0)
    sampler.start_at(2)
    iter(sampler)
    assert [key.index for key in islice(sampler, 1)] == [2]


@pytest.mark.parametrize('position', [-1, 24])
def test_start_outside_the_epoch(position):
    with pytest.raises(ValueError, match=f'sample {position} of an epoch of 23'):
        EpochSampler(range(23), seed=0).start_at(position)


def test_seed_is_synchronised_when_it_is_not_given(monkeypatch):
    monkeypatch.setattr(samplers, 'sync_random_seed', lambda: 77)
    assert next(iter(EpochSampler(range(3)))).seed == 77


def test_bad_arguments(monkeypatch):
    with pytest.raises(ValueError, match='2 images cannot be dealt out to 3 processes'):
        sampler_of(monkeypatch, 0, 3, length=2)
    with pytest.raises(ValueError, match=r'2 images an epoch \(sampler.epoch_size\) cannot'):
        sampler_of(monkeypatch, 0, 3, epoch_size=2)
    with pytest.raises(ValueError, match='the data set has no images'):
        EpochSampler([], seed=1, epoch_size=5)
    with pytest.raises(ValueError, match='seed must not be negative'):
        EpochSampler(range(3), seed=-1)


def test_a_key_fixes_the_random_numbers():
    draws = {
        key: key.generator().random()
        for key in (SampleKey(0, 0, 1), SampleKey(0, 1, 0), SampleKey(1, 0, 0), SampleKey(0, 0, 2))
    }
    assert len(set(draws.values())) == 4
    for key, draw in draws.items():
        assert draw == SampleKey(*key).generator().random()
    assert isinstance(SampleKey(0, 0, 1).generator(), np.random.Generator)


@pytest.mark.parametrize('num_workers', [0, 1])
def test_a_loader_whose_sampler_cannot_start_inside_an_epoch(num_workers):
    class Loud(torch.utils.data.Dataset):
        asked = torch.zeros(12).share_memory_()

        def __len__(self):
            return 12

        def __getitem__(self, index):
            self.asked[index] += 1
            return index

    sampler = DefaultSampler(Loud(), shuffle=True, seed=3)
    batches = BatchSampler(sampler, 2, drop_last=False)
    workers = dict(num_workers=num_workers, persistent_workers=num_workers > 0)
    loader = DataLoader(Loud(), batch_sampler=batches, **workers)
    start_at_batch(loader, 4)
    assert len(loader) == 6 and loader.batch_sampler.sampler is sampler
    rest = torch.cat(list(loader)).tolist()
    assert rest == list(sampler)[8:]
    assert Loud.asked.sum() == 4  # what is left out is not loaded
    assert torch.cat(list(loader)).tolist() == list(sampler)
