import pytest
import torch

from dinomm.checkpoints.swin import position_index, published_order, unfold_order
from dinomm.registry import MODELS


def test_orders_are_inverse():
    norm, reduction = torch.arange(24.0), torch.randn(12, 24)
    for value in (norm, reduction):
        assert torch.equal(published_order(unfold_order(value)), value)
        assert torch.equal(unfold_order(published_order(value)), value)
    assert not torch.equal(published_order(norm), unfold_order(norm))  # so each is applied once


@pytest.mark.parametrize('window', [2, 7])
def test_index_is_that_of_mmpretrain(window):
    swin = dict(embed_dims=8, depths=[1], num_heads=[2])
    network = MODELS.build(
        dict(type='mmpretrain.SwinTransformer', arch=swin, out_indices=(0,), window_size=window)
    )
    attention = network.stages[0].blocks[0].attn.w_msa
    index = position_index(attention.relative_position_bias_table)
    assert torch.equal(index, attention.relative_position_index)


def test_table_of_no_window():
    with pytest.raises(ValueError, match='has 12 rows'):
        position_index(torch.zeros(12, 1))
