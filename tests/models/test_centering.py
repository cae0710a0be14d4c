import pytest
import torch
from torch.nn import functional as F

from dinomm.models import MeanCentering, SinkhornKnopp


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


def published_sinkhorn(logits, temperature, iterations=3):
    """SwAV's loop over the whole matrix (prototypes x rows)."""
    q = (logits.double() / temperature).exp().T
    prototypes, rows = q.shape
    q /= q.sum()
    for _ in range(iterations):
        q /= q.sum(1, keepdim=True) * prototypes
        q /= q.sum(0, keepdim=True) * rows
    return (q * rows).T


def sinkhorn(rows, prototypes, temperature=0.07, **options):
    centering = SinkhornKnopp(len(prototypes), **options)
    centering.see(rows, prototypes, temperature)
    return centering, centering.targets(rows.float() @ prototypes.float().T, temperature)


@pytest.mark.parametrize('iterations', [1, 3, 5])
@pytest.mark.parametrize('rows', [1, 5, 40])
def test_sinkhorn_is_the_published_loop(rows, iterations, monkeypatch):
    monkeypatch.setattr('dinomm.models.centering.CHUNK_BYTES', 4 * 16 * 3)  # three rows at a time
    features, prototypes = torch.randn(rows, 8), torch.randn(16, 8) * 0.3
    _, targets = sinkhorn(features, prototypes, iterations=iterations)
    expected = published_sinkhorn(features @ prototypes.T, 0.07, iterations)
    torch.testing.assert_close(targets.double(), expected, atol=1e-6, rtol=1e-4)


def test_sinkhorn_uses_every_prototype_equally():
    features = F.normalize(torch.randn(64, 8) + 2, dim=-1)  # all in one direction
    prototypes = F.normalize(torch.randn(16, 8), dim=-1)
    _, targets = sinkhorn(features, prototypes, iterations=30)
    torch.testing.assert_close(targets.sum(0), torch.full((16,), 4.0), rtol=1e-2, atol=1e-2)
    alone = (features @ prototypes.T / 0.07).softmax(-1).sum(0)
    assert alone.max() > 20


def test_sinkhorn_does_not_overflow():
    features, prototypes = torch.randn(12, 8), torch.randn(16, 8) * 1e4
    _, targets = sinkhorn(features, prototypes, 0.04)
    assert targets.isfinite().all()
    torch.testing.assert_close(targets.sum(1), torch.ones(12))


def test_sinkhorn_without_rows():
    centering, targets = sinkhorn(torch.zeros(0, 8), torch.randn(16, 8))
    assert targets.shape == (0, 16)
    assert not centering.scales.any()


def test_sinkhorn_is_float32_under_autocast_and_carries_nothing_on():
    features, prototypes = torch.randn(12, 8).bfloat16(), torch.randn(16, 8)
    expected = sinkhorn(features, prototypes)[1]
    with torch.autocast('cpu', torch.bfloat16):
        centering = SinkhornKnopp(16)
        centering.see(torch.randn(5, 8), prototypes, 0.07)
        centering.update()
        centering.see(features, prototypes, 0.07)
    targets = centering.targets(features.float() @ prototypes.T, 0.07)
    assert targets.dtype == torch.float32
    torch.testing.assert_close(targets, expected)
    assert not centering.state_dict()


def test_sinkhorn_refuses():
    with pytest.raises(ValueError, match=r'centering\.iterations is 0'):
        SinkhornKnopp(4, iterations=0)
    with pytest.raises(ValueError, match='take MeanCentering for hard targets'):
        SinkhornKnopp(4).see(torch.zeros(1, 2), torch.zeros(4, 2), 0)


def test_centre_stays_without_rows():
    centering = MeanCentering(4, momentum=0.5)
    centering.center.fill_(2.0)
    centering.update()
    assert torch.equal(centering.center, torch.full((1, 4), 2.0))
