import pytest
import torch

from dinomm.checkpoints.forms import ResNetForm, form_of
from dinomm.checkpoints.networks import mm_network
from dinomm.registry import MODELS


def vit(**options):
    arch = dict(embed_dims=48, num_layers=3, num_heads=3, feedforward_channels=96)
    config = dict(type='dinomm.DINOVisionTransformer', arch=arch, img_size=70, patch_size=14)
    return MODELS.build(config | options).state_dict()


def test_vit_as_built():
    form = form_of('vit', vit(num_registers=2, layer_scale_init_value=0.1), heads=3)
    assert form._asdict() == dict(
        width=48,
        depth=3,
        heads=3,
        hidden=96,
        patch=14,
        image=70,
        registers=2,
        swiglu=False,
        layer_scale=True,
        mask_token=False,
        qkv_bias=True,
    )
    swiglu = vit(layer_cfgs=dict(ffn_type='swiglu_fused'), mask_token=True, qkv_bias=False)
    form = form_of('vit', swiglu, heads=3)
    assert (form.swiglu, form.hidden, form.mask_token, form.qkv_bias) == (True, 64, True, False)
    network = mm_network(form, swiglu, 'dinomm')
    assert {n: t.shape for n, t in network.state_dict().items()} == {
        n: t.shape for n, t in swiglu.items()
    }


def test_heads():
    state = vit()
    with pytest.raises(ValueError, match='say by --heads'):
        form_of('vit', state)
    with pytest.raises(ValueError, match='a divisor of the width, 48'):
        form_of('vit', state, heads=5)
    wide = vit(arch=dict(embed_dims=128, num_layers=1, num_heads=2, feedforward_channels=9))
    assert form_of('vit', wide).heads == 2
    with pytest.raises(ValueError, match='--heads is for a ViT'):
        form_of('resnet', {}, heads=2)


def test_what_is_missing_is_named():
    state = vit()
    del state['pos_embed']
    with pytest.raises(ValueError, match='pos_embed is missing'):
        form_of('vit', state, heads=3)
    state['pos_embed'] = torch.zeros(1, 1 + 7, 48)
    with pytest.raises(ValueError, match='expected a square'):
        form_of('vit', state, heads=3)


@pytest.mark.parametrize('depth', [18, 34, 50, 101])
def test_resnet(depth):
    state = MODELS.build(dict(type='mmpretrain.ResNet', depth=depth)).state_dict()
    assert form_of('resnet', state) == ResNetForm(depth)


def test_resnet_of_no_known_depth():
    state = MODELS.build(dict(type='mmpretrain.ResNet', depth=18)).state_dict()
    with pytest.raises(ValueError, match=r'\(2, 2, 2, 1\) blocks'):
        form_of('resnet', {n: t for n, t in state.items() if not n.startswith('layer4.1.')})


def test_swin():
    arch = dict(embed_dims=12, depths=[2, 1], num_heads=[1, 3])
    config = dict(type='mmpretrain.SwinTransformer', arch=arch, window_size=4, patch_size=2)
    state = MODELS.build(dict(config, out_indices=(1,))).state_dict()
    form = form_of('swin', state)
    assert (form.depths, form.heads, form.window, form.image) == ((2, 1), (1, 3), 4, 16)
    state = MODELS.build(
        dict(config, out_indices=(1,), stage_cfgs=[dict(), dict(window_size=2)])
    ).state_dict()
    with pytest.raises(ValueError, match='windows of several sizes'):
        form_of('swin', state)
