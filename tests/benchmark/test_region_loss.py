import pytest

from dinomm.benchmark import region_loss
from dinomm.benchmark.region_loss import LossSize, compare_region_losses, measure

SMALL = LossSize('swin-tiny', batch=2, num_prototypes=64, threads=1)


def test_both_losses_are_equal():
    difference = measure('difference', SMALL, 1)
    assert set(difference) == {'loss', 'rows', 'prototypes'}
    assert max(difference.values()) < 1e-5


def test_a_wrong_loss_is_seen(monkeypatch):
    wrong = region_loss.Inputs.dinomm
    monkeypatch.setattr(region_loss.Inputs, 'dinomm', lambda inputs: 1.001 * wrong(inputs))
    assert max(measure('difference', SMALL, 1).values()) > 1e-5


def fake(seconds, peak):
    def in_process(kind, size, steps):
        if kind == 'difference':
            return {'loss': 1e-7}
        scale = size.batch * (4 if size.geometry == 'vit-small-16' else 1)
        return {'seconds': seconds[kind] * scale, 'peak_mib': peak[kind] * scale}

    return in_process


def test_ratios_growth_and_cost_of_a_single_stage(monkeypatch):
    seconds = {'dinomm': 2.0, 'direct': 5.0, 'products': 1.0}
    peak = {'dinomm': 10.0, 'direct': 100.0, 'products': 1.0}
    monkeypatch.setattr(region_loss, '_in_process', fake(seconds, peak))
    lines = []
    result = compare_region_losses([2, 4], 64, 1, 3, 1, lines.append)
    swin = result['sizes']['swin-tiny']['4']
    assert swin['speed_ratio'] == 2.5 and swin['memory_ratio'] == 0.1 and swin['to_products'] == 2
    assert swin['seconds'] == {'dinomm': 8, 'direct': 20, 'products': 4}
    assert result['mib_an_image'] == {'swin-tiny': 10, 'vit-small-16': 40}
    assert result['single_to_multi_stage']['2']['dinomm'] == {'seconds': 4, 'peak_mib': 4}
    assert '2.50 times as fast with 0.100 of the memory' in lines[0]


def test_nothing_is_timed_where_the_losses_differ(monkeypatch):
    monkeypatch.setattr(region_loss, '_in_process', lambda *_: {'loss': 2e-5})
    with pytest.raises(ValueError, match='differ'):
        compare_region_losses([2], 64, 1, 1, 1, print)


@pytest.mark.slow
def test_a_failure_of_the_process_is_told():
    with pytest.raises(RuntimeError, match='KeyError'):
        region_loss._in_process('dinomm', SMALL._replace(geometry='none'), 1)


@pytest.mark.parametrize('kind', ['dinomm', 'direct', 'products'])
def test_every_kind_is_timed(kind):
    assert measure(kind, SMALL, 2)['seconds'] > 0
