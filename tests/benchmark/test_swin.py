import pytest
import torch

from dinomm.benchmark import swin


@pytest.fixture(scope='module')
def networks():
    return swin.build_networks(7)


def test_figures_of_every_size_and_of_both_together(monkeypatch, networks):
    monkeypatch.setattr(swin, 'CROPS', {'1x64': (1, 64), '2x32': (2, 32)})
    monkeypatch.setattr(swin, 'build_networks', lambda window: networks)
    lines: list[str] = []
    figures = swin.compare_attention(swin.SwinSize(rounds=3, threads=1), lines.append)
    results = figures['forward_and_backward']
    assert list(results) == ['1x64', '2x32', 'together'] and len(lines) == 5
    for network in ('dinomm', 'mmpretrain'):
        parts = results['1x64']['seconds'][network], results['2x32']['seconds'][network]
        assert 0 < max(parts) < results['together']['seconds'][network]
    assert len(results['together']['ratios']) == 3


def test_ratio_is_theirs_over_ours_round_by_round():
    seconds = {'dinomm': [1.0, 2.0, 1.0], 'mmpretrain': [2.0, 2.0, 3.0]}
    result = swin.summarize('x', seconds, lambda line: None)
    assert result['ratios'] == [2.0, 1.0, 3.0] and result['ratio'] == 2.0


def test_networks_that_differ_are_not_timed(networks):
    ours, theirs = networks.values()
    images = torch.randn(1, 3, 64, 64)
    swin.check_equal(ours, theirs, images)
    table = ours.stages[0].blocks[1].attn.w_msa.relative_position_bias_table
    with torch.no_grad():
        table += torch.linspace(0, 1, len(table))[:, None]
    with pytest.raises(RuntimeError, match='networks differ'):
        swin.check_equal(ours, theirs, images)
