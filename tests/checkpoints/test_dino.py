import numpy as np
import pytest

from dinomm.checkpoints.dino import head_name, model_state, vit_name
from dinomm.models import DINOHead, DINOVisionTransformer
from dinomm.registry import MODELS


def names(file, prefix):
    with np.load(file) as arrays:
        return [name.removeprefix(prefix) for name in arrays if name.startswith(prefix)]


def test_every_name_of_a_published_vit(golden):
    published = names(golden / 'dino_vit.npz', 'w/')
    arch = {'embed_dims': 12, 'num_layers': 3, 'num_heads': 3, 'feedforward_channels': 24}
    ours = DINOVisionTransformer(arch=arch, img_size=32, patch_size=8).state_dict()
    assert {vit_name(name) for name in published} == set(ours)
    assert len(published) == len(ours)


@pytest.mark.parametrize('variant', ['plain', 'bn'])
def test_every_name_of_a_published_head(golden, variant):
    published = names(golden / 'dino_head.npz', f'{variant}/w/')
    options = {'hidden_channels': 8, 'bottleneck_channels': 4, 'num_prototypes': 6}
    ours = set(DINOHead(in_channels=12, batch_norm=variant == 'bn', **options).state_dict())
    assert {head_name(name) for name in published} == ours - {'centering.center'}


@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_a_whole_published_network(golden, tiny_model, prefix):
    backbone = tiny_model()['backbone']
    backbone['arch']['num_layers'] = 3
    published = names(golden / 'dino_trace.npz', 'start/')
    state = model_state({prefix + name: name for name in published})
    depth = 1 + max(int(n.split('.')[2]) for n in published if n.startswith('backbone.blocks.'))
    backbone['arch']['num_layers'] = depth
    ours = set(MODELS.build(tiny_model(backbone=backbone)).state_dict())
    assert set(state) == ours - {'heads.view.centering.center'}
    assert sorted(state.values()) == sorted(published)
    assert state['backbone.layers.0.ffn.layers.0.0.weight'] == 'backbone.blocks.0.mlp.fc1.weight'
    assert state['heads.view.prototypes.weight_v'] == 'head.last_layer.weight_v'


def test_head_gets_the_name_asked_for():
    assert set(model_state({'head.mlp.0.bias': 1}, head='other')) == {
        'heads.other.projector.0.bias'
    }


def test_foreign_names_are_an_error():
    with pytest.raises(ValueError, match=r'encoder\.weight is no name'):
        model_state({'encoder.weight': 1})
