import copy
import math

import pytest
import torch

from dinomm.export.check import Comparison, compare, largest_difference, speed_ratio

from .networks import WIDE, network, write


@pytest.fixture(scope='module')
def file(tmp_path_factory):
    return write('vit', tmp_path_factory.mktemp('check') / 'network.pt')


def test_equal(file):
    result = compare(network('vit'), WIDE, file, [1, 3], rounds=1)
    assert list(result.differences) == [1, 3]
    assert max(result.differences.values()) < 1e-6
    assert 0 < result.speed < math.inf
    result.require(1e-6, 'network.pt')


def test_another_network_is_noticed(file):
    other = copy.deepcopy(network('vit'))
    other.backbone.pos_embed += 1e-2 * torch.randn(17, 24)
    result = compare(other, WIDE, file, [2], rounds=1)
    assert 1e-3 < result.differences[2] < 2
    with pytest.raises(ValueError, match=r'network\.pt was not written: in a batch of 2'):
        result.require(1e-4, 'network.pt')


def test_unchecked_file_is_not_opened(tmp_path):
    compare(network('vit'), WIDE, tmp_path / 'absent.pt', []).require(1e-4, 'absent.pt')


@pytest.mark.parametrize('wrong', [math.nan, math.inf])
def test_no_number_is_a_difference(wrong):
    expected = {'view': torch.tensor([1.0, -2.0]), 'regions': torch.ones(2)}
    actual = {'view': torch.tensor([1.0, wrong]), 'regions': torch.ones(2)}
    result = Comparison({1: largest_difference(actual, expected)}, 1.0)
    with pytest.raises(ValueError, match='differs'):
        result.require(1e9, 'network.pt')


def test_difference_is_relative_to_the_largest_feature_of_its_output():
    expected = {'view': torch.tensor([1.0, -20.0]), 'regions': torch.ones(2)}
    actual = {'view': torch.tensor([2.0, -20.0]), 'regions': torch.tensor([1.0, 1.01])}
    assert largest_difference(actual, expected) == pytest.approx(0.05)
    assert largest_difference({'view': expected['view']}, expected) == math.inf
    assert largest_difference({**actual, 'view': torch.ones(1)}, expected) == math.inf


def test_speed_is_the_median_of_rounds_in_turns(monkeypatch):
    taken = iter([9, 1, 9, 1, 1, 2, 1, 3, 1, 40])
    monkeypatch.setattr('dinomm.export.check.seconds', lambda function: next(taken))
    assert speed_ratio(print, print, rounds=3) == 3
