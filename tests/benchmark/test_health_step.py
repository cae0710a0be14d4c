import pytest

from dinomm.benchmark import health_step, step
from dinomm.benchmark.health_step import compare_health_steps
from dinomm.benchmark.step import StepSize
from dinomm.engine import HealthHook

TINY = StepSize(num_prototypes=64, batch=2, num_local=1, threads=1)


@pytest.fixture(autouse=True)
def small_networks(monkeypatch):
    small = dict(embed_dims=24, num_layers=2, num_heads=2, feedforward_channels=48)
    monkeypatch.setitem(step.ARCHITECTURES, 'vit-small', small)
    monkeypatch.setitem(step.WIDTHS, 'vit-small', 24)


def test_the_hook_measures_in_one_kind_and_is_idle_in_the_other(monkeypatch):
    measured = []
    judge = HealthHook._judge
    monkeypatch.setattr(HealthHook, '_judge', lambda *of: (measured.append(1), judge(*of)))
    lines = []
    figures = compare_health_steps(TINY, rounds=2, steps=3, show=lines.append)
    assert len(measured) == 1 + 2 * 3
    assert {kind: len(times) for kind, times in figures['seconds'].items()} == {
        'without': 6,
        'measured': 6,
    }
    assert 0 < figures['added_between'] < 1e-3
    assert 'of the time, with a measurement in 50 steps' in lines[-1]


def test_cost_is_that_of_a_measurement_over_the_interval():
    times = {'without': [2.0, 1.0, 3.0], 'measured': [3.0, 2.0, 4.0]}
    figures = health_step._report(TINY, times, 0.01, lambda line: None)
    assert figures['added_by_measurement'] == 1.0
    assert figures['cost'] == pytest.approx((1.0 + 49 * 0.01) / (50 * 2.0))
