import numpy as np
import pytest
import torch

from dinomm.checkpoints.formats import read_names, write_names
from dinomm.checkpoints.matrix import FORMATS, read_weights, recognised
from dinomm.verification.dino import tensors

from .foreign import HF_NETWORKS, hf_network, timm_network, timm_networks

GOLDEN = {
    'dino': ('dino_vit.npz', 'w/'),
    'esvit': ('esvit_swin.npz', 'w/'),
    'dinov2': ('dinov2_vit.npz', 'mlp/w/'),
    'dinov2 swiglu': ('dinov2_vit.npz', 'swiglu/w/'),
    'dinov2 registers': ('dinov2_vit.npz', 'reg/w/'),
}
HOLD = {
    'dino': ['dino', 'ibot', 'dinov2', 'timm', 'huggingface', 'mmpretrain', 'dinomm'],
    'esvit': ['esvit', 'timm', 'huggingface', 'mmpretrain', 'mmdet', 'dinomm'],
    'dinov2': ['ibot', 'dinov2', 'timm', 'huggingface', 'mmpretrain', 'dinomm'],
    'dinov2 swiglu': ['dinov2', 'timm', 'huggingface', 'mmpretrain', 'dinomm'],
    'dinov2 registers': ['dinov2', 'timm', 'huggingface', 'dinomm'],
}
"""Formats that have a place for each network."""

PAIRS = [(network, name) for network, names in HOLD.items() for name in names]


def published(golden, network):
    file, prefix = GOLDEN[network]
    with np.load(golden / file) as arrays:
        return tensors(arrays, prefix)


def require_equal(state, expected):
    assert set(state) == set(expected)
    assert [name for name in state if not torch.equal(state[name], expected[name])] == []


@pytest.mark.parametrize('network', GOLDEN)
def test_published_to_dinomm_and_back(golden, network):
    given, format = published(golden, network), FORMATS[network.split()[0]]
    found = read_names(format, given)
    assert not found.left_out
    require_equal(write_names(format, found).state, given)


@pytest.mark.parametrize(('network', 'name'), PAIRS)
def test_dinomm_to_any_and_back(golden, network, name):
    """Nothing is lost but what the format has no place for and says so."""
    ours = read_names(FORMATS[network.split()[0]], published(golden, network))
    written = write_names(FORMATS[name], ours)
    again = read_names(FORMATS[name], written.state)
    assert again.kind == ours.kind
    given, back = dict(ours.state), dict(again.state)
    if network == 'dino':
        assert not back.pop('mask_token', torch.zeros(1)).any()  # dinov2 has one
    for lost in written.left_out:
        assert 'mask_token' in lost or 'relative_position_index' in lost
        if 'mask_token' in lost:
            del given[lost]  # an index is computed anew
    if (network, name) == ('dinov2 registers', 'timm'):
        summed = [s.pop('cls_token') + s['pos_embed'][:, :1] for s in (given, back)]
        assert torch.equal(*summed)
        for state in (given, back):
            state['pos_embed'] = state['pos_embed'][:, 1:]
    require_equal(back, given)


@pytest.mark.parametrize('network', GOLDEN)
def test_no_place_is_refused(golden, network):
    kind = FORMATS[network.split()[0]]
    ours = read_names(kind, published(golden, network))
    for name in FORMATS.keys() - set(HOLD[network]):
        with pytest.raises(ValueError, match=r'has no place for|holds no'):
            write_names(FORMATS[name], ours)


@pytest.mark.parametrize('form', ['plain', 'layer-scale', 'registers', 'swiglu', 'swin'])
def test_timm_to_dinomm_and_back(form):
    name, options = timm_networks()[form]
    state = timm_network(name, num_classes=3, **options).state_dict()
    found = read_weights(FORMATS['timm'], state)
    heads = {n for n in state if n.startswith('head.')}
    assert heads and set(found.left_out) == heads
    backbone = {n: tensor for n, tensor in state.items() if n not in heads}
    require_equal(write_names(FORMATS['timm'], found).state, backbone)


@pytest.mark.parametrize('form', HF_NETWORKS)
def test_hugging_face_to_dinomm_and_back(form, tmp_path):
    """Both the names of its files and those of its networks are read."""
    pytest.importorskip('transformers')
    from safetensors.torch import load_file

    kind, options = HF_NETWORKS[form]
    network = hf_network(kind, **options)
    network.save_pretrained(tmp_path)
    on_hub = load_file(tmp_path / 'model.safetensors')
    found = read_weights(FORMATS['huggingface'], on_hub)
    kept = {n: tensor for n, tensor in on_hub.items() if not n.startswith('pooler.')}
    require_equal(write_names(FORMATS['huggingface'], found).state, kept)
    inside = read_weights(FORMATS['huggingface'], network.state_dict())
    require_equal(inside.state, found.state)
    prefixed = {f'{kind}.{n}': t for n, t in on_hub.items()} | {'classifier.bias': torch.ones(3)}
    if kind != 'registers':
        again = read_weights(FORMATS['huggingface'], prefixed)
        require_equal(again.state, found.state)
        assert 'classifier.bias' in again.left_out


def test_half_of_queries_keys_and_values():
    pytest.importorskip('transformers')
    kind, options = HF_NETWORKS['plain']
    state = hf_network(kind, **options).state_dict()
    del state['layers.1.attention.k_proj.bias']
    with pytest.raises(ValueError, match=r'layers\.1\.attn\.qkv\.k\.bias is missing'):
        read_weights(FORMATS['huggingface'], state)


def test_chunked_blocks_of_dinov2(golden):
    given = published(golden, 'dinov2')
    chunked = {
        name.replace('blocks.0.', 'blocks.0.0.')
        .replace('blocks.1.', 'blocks.0.1.')
        .replace('blocks.2.', 'blocks.1.2.'): tensor
        for name, tensor in given.items()
    }
    assert set(chunked) != set(given)
    require_equal(
        read_weights(FORMATS['dinov2'], chunked).state, read_weights(FORMATS['dinov2'], given).state
    )


def test_ibots_own_names(golden):
    given = published(golden, 'dino')
    given['masked_embed'] = torch.ones(1, 48)
    for i in range(3):
        given[f'blocks.{i}.gamma_1'] = given[f'blocks.{i}.gamma_2'] = torch.rand(48)
    found = read_weights(FORMATS['ibot'], given)
    assert found.state['layers.2.attn.gamma1.weight'] is given['blocks.2.gamma_1']
    require_equal(write_names(FORMATS['ibot'], found).state, given)
    assert recognised(given) == ['ibot']


def test_resnets_have_one_name():
    from torchvision.models import resnet50

    state = resnet50(weights=None).state_dict()
    for name in ('torchvision', 'dino', 'mmpretrain', 'mmdet', 'dinomm'):
        found = read_weights(FORMATS[name], {f'backbone.{n}': t for n, t in state.items()})
        assert set(found.left_out) == {'backbone.fc.weight', 'backbone.fc.bias'}
        written = write_names(FORMATS[name], found).state
        require_equal(written, {n: t for n, t in state.items() if not n.startswith('fc.')})


@pytest.mark.parametrize(
    ('network', 'seen'),
    [
        ('dino', ['dino', 'ibot', 'timm']),
        ('esvit', ['esvit']),
        ('dinov2', ['dinov2']),
        ('dinov2 registers', ['dinov2']),
    ],
)
def test_recognised(golden, network, seen):
    given = published(golden, network)
    assert recognised(given) == seen
    ours = read_names(FORMATS[seen[0]], given).state
    assert recognised(ours)[-1] == 'dinomm' and not set(recognised(ours)) & set(seen)


def test_timms_swin_is_no_esvit(golden):
    """The two differ in the stage of patch merging alone; either read as the other is refused."""
    given = published(golden, 'esvit')
    timm = write_names(FORMATS['timm'], read_names(FORMATS['esvit'], given)).state
    assert recognised(timm) == ['timm']
    with pytest.raises(ValueError, match=r'layers\.0\.downsample'):
        read_weights(FORMATS['esvit'], timm)
    with pytest.raises(ValueError, match=r'layers\.0\.downsample'):
        read_weights(FORMATS['timm'], given)


def test_nothing_known():
    assert recognised({'encoder.weight': torch.ones(2)}) == []
    with pytest.raises(ValueError, match=r'encoder\.weight is no name of'):
        read_weights(FORMATS['torchvision'], {'encoder.weight': torch.ones(2)})
