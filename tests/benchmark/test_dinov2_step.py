import pytest

from dinomm.benchmark import dinov2_step
from dinomm.benchmark.dinov2_step import KINDS, DINOv2StepSize, compare_dinov2_steps, measure

TINY = DINOv2StepSize(num_prototypes=64, batch=2, num_local=2, threads=1)


@pytest.fixture(autouse=True)
def small_networks(monkeypatch):
    # for good, and tests of memory come later in this process
    monkeypatch.setattr('dinomm.host_memory.keep_freed_memory', lambda: None)
    small = dict(embed_dims=24, num_layers=2, num_heads=2, feedforward_channels=48)
    monkeypatch.setitem(dinov2_step.ARCHITECTURES, 'vit-small', small)
    monkeypatch.setitem(dinov2_step.WIDTHS, 'vit-small', 24)


def test_parts_left_out_do_not_change_the_losses():
    """But for stochastic depth, which then draws others."""
    losses = {kind: measure(kind, TINY, steps=2)['losses'] for kind in KINDS}
    assert len(set(losses['dinomm'])) == 3
    for kind in ('no packing', 'all patches'):
        assert losses[kind] == pytest.approx(losses['dinomm'], rel=1e-4)
    assert losses['no skipping'] == pytest.approx(losses['none of it'], rel=1e-4)
    assert losses['no skipping'] != pytest.approx(losses['dinomm'], rel=1e-4)


def test_report(monkeypatch):
    seconds = {'dinomm': 1.0, 'none of it': 2.0}

    def measured(module, request):
        assert module == 'dinomm.benchmark.dinov2_step'
        return {
            'seconds': seconds.get(request['kind'], 1.5),
            'peak_gib': 1.0,
            'losses': [3.0],
            'phases': {'backward': 0.75, 'other': 0.25},
        }

    monkeypatch.setattr(dinov2_step, 'measure_in_process', measured)
    lines = []
    figures = compare_dinov2_steps(TINY, rounds=2, steps=1, show=lines.append)
    assert figures['none of it']['times_as_long'] == 2.0
    assert figures['no packing']['ratios'] == [1.5, 1.5]
    assert any('none of it' in line and '2.00 times as long' in line for line in lines)
    assert lines[-2].split()[:2] == ['backward', '75.0']
