import pytest
import torch
from torch.nn import functional as F

from dinomm.checkpoints.esvit import model_state, swin_state, unfold_order
from dinomm.registry import MODELS
from dinomm.verification.dino import tensors
from dinomm.verification.esvit import swin_config


@pytest.fixture
def published(golden):
    import numpy as np

    with np.load(golden / 'esvit_trace.npz') as arrays:
        return tensors(arrays, 'start/')


def test_every_name_of_a_published_swin(published):
    backbone = {k: v for k, v in published.items() if not k.startswith('head')}
    ours = MODELS.build(swin_config(backbone, 112)).state_dict()
    state = swin_state(backbone)
    assert {k: v.shape for k, v in state.items()} == {k: v.shape for k, v in ours.items()}
    assert len(state) == len(backbone)
    assert torch.equal(state['norm3.weight'], backbone['norm.weight'])
    for name, value in ours.items():
        if name.endswith('relative_position_index'):
            assert torch.equal(state[name], value)


@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_a_whole_published_network(published, prefix):
    state = model_state({prefix + name: value for name, value in published.items()})
    assert len(state) == len(published)
    parts = {name.rpartition('.')[0].split('projector')[0] for name in state if 'heads' in name}
    assert parts == {
        'heads.view.',
        'heads.region.',
        'heads.view.prototypes',
        'heads.region.prototypes',
    }
    dense = published['head_dense.last_layer.weight_v']
    assert torch.equal(state['heads.region.prototypes.weight_v'], dense)
    table = published['layers.2.blocks.1.attn.relative_position_bias_table']
    name = 'backbone.stages.2.blocks.1.attn.w_msa.relative_position_bias_table'
    assert torch.equal(state[name], table)


def test_patch_merging_in_either_order_gives_the_same():
    """Four concatenated maps, as published, against nn.Unfold, as mmpretrain has it."""
    image, weight = torch.randn(1, 3, 4, 6), torch.randn(5, 12)
    corners = [image[..., row::2, column::2] for row, column in ((0, 0), (1, 0), (0, 1), (1, 1))]
    published = torch.cat(corners, dim=1).flatten(2).transpose(1, 2) @ weight.T
    unfolded = F.unfold(image, 2, stride=2).transpose(1, 2) @ unfold_order(weight).T
    torch.testing.assert_close(unfolded, published)


@pytest.mark.parametrize('name', ['encoder.weight', 'head_extra.weight'])
def test_foreign_names_are_an_error(name):
    with pytest.raises(ValueError, match=f'{name} is no name'):
        model_state({name: torch.ones(1)})
