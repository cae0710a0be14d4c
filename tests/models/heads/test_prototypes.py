import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from dinomm.models.heads.prototypes import Prototypes


def test_value_and_gradients_are_weight_normalisation():
    ours = Prototypes(6, 10, fixed_length=False)
    nn.init.uniform_(ours.weight_g, 0.5, 2)
    theirs = weight_norm(nn.Linear(6, 10, bias=False))
    g, v = theirs.parametrizations.weight.original0, theirs.parametrizations.weight.original1
    with torch.no_grad():
        g.copy_(ours.weight_g)
        v.copy_(ours.weight_v)
    rows, grad = torch.randn(4, 6), torch.randn(4, 10)
    for layer in (ours, theirs):
        layer(rows).backward(grad)
    torch.testing.assert_close(ours(rows), theirs(rows))
    direct = ours.weight_g * ours.weight_v / ours.weight_v.norm(dim=1, keepdim=True)
    torch.testing.assert_close(ours.weight, direct)
    torch.testing.assert_close(ours.weight_v.grad, v.grad)
    torch.testing.assert_close(ours.weight_g.grad, g.grad)


@pytest.mark.parametrize('fixed', [True, False])
def test_fixed_length_freezes_the_lengths(fixed):
    prototypes = Prototypes(6, 10, fixed_length=fixed)
    assert prototypes.weight_g.requires_grad is not fixed
    assert prototypes.weight_v.requires_grad
    torch.testing.assert_close(prototypes.weight.norm(dim=1), torch.ones(10))
    assert set(prototypes.state_dict()) == {'weight_v', 'weight_g'}
