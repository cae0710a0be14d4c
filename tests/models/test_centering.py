import pytest
import torch

from dinomm.models import MeanCentering


def test_targets_are_centred_and_sharpened():
    centering = MeanCentering(4)
    centering.center.copy_(torch.tensor([[0.1, -0.2, 0.3, 0.0]]))
    logits = torch.randn(2, 3, 4)
    before = logits.clone()
    expected = ((logits.double() - centering.center) / 0.05).softmax(-1)
    torch.testing.assert_close(centering.targets(logits, 0.05).double(), expected)
    assert torch.equal(logits, before)


def test_targets_are_float32_under_autocast():
    centering = MeanCentering(4)
    logits = torch.randn(3, 4).bfloat16()
    with torch.autocast('cpu', torch.bfloat16):
        targets = centering.targets(logits, 0.04)
    assert targets.dtype == torch.float32
    assert torch.equal(targets, centering.targets(logits.float(), 0.04))


def test_temperature_zero_is_the_limit_of_low_temperatures():
    centering = MeanCentering(4)
    centering.center.copy_(torch.tensor([[0.0, 5.0, 0.0, 0.0]]))
    logits = torch.tensor([[1.0, 5.5, 0.0, 0.5], [1.0, 7.5, 0.0, 0.5]])
    hard = centering.targets(logits, 0)
    assert hard.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0]]
    torch.testing.assert_close(hard, centering.targets(logits, 1e-4))


def test_update_moves_to_the_mean_of_all_accumulated_rows():
    centering = MeanCentering(4, momentum=0.8)
    start = torch.randn(1, 4)
    centering.center.copy_(start)
    for step in range(2):  # the second shows that the sums of the first are gone
        parts = [torch.randn(rows, 4) + step for rows in (5, 2, 1)]
        for part in parts:
            centering.accumulate(part.sum(0), len(part))
        expected = 0.8 * start + 0.2 * torch.cat(parts).mean(0)
        assert torch.equal(centering.center, start)
        centering.update()
        torch.testing.assert_close(centering.center, expected)
        start = centering.center.clone()


def test_discarded_rows_do_not_count():
    centering = MeanCentering(4, momentum=0.5)
    centering.accumulate(torch.full((4,), 100.0), 1)
    centering.discard()
    centering.accumulate(torch.ones(4), 1)
    centering.update()
    torch.testing.assert_close(centering.center, torch.full((1, 4), 0.5))


def test_momentum_one_is_no_centering():
    centering = MeanCentering(4, momentum=1.0)
    logits = torch.randn(8, 4) * 100
    for _ in range(5):
        centering.accumulate(logits.sum(0), len(logits))
        centering.update()
    assert not centering.center.any()
    assert torch.equal(centering.targets(logits, 0.04), (logits / 0.04).softmax(-1))


def test_centre_is_saved_and_sums_are_not():
    assert set(MeanCentering(4).state_dict()) == {'center'}


@pytest.mark.parametrize('momentum', [-0.1, 1.1])
def test_momentum_is_a_share(momentum):
    with pytest.raises(ValueError, match=r'centering\.momentum'):
        MeanCentering(4, momentum=momentum)
