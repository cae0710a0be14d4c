"""What DINOVisionTransformer has beyond DINO's: registers, masks, positions, initialisation."""

import pytest
import torch
from torch import nn

from dinomm.checkpoints.dinov2 import vit_name
from dinomm.models import DINOVisionTransformer, encode
from dinomm.models.blocks import block_features
from dinomm.registry import MODELS

ARCH = {'embed_dims': 24, 'num_layers': 3, 'num_heads': 3, 'feedforward_channels': 48}
TIMM = {'embed_dim': 24, 'depth': 3, 'num_heads': 3, 'mlp_ratio': 2, 'patch_size': 14}


def build(**options):
    options = {'arch': ARCH, 'img_size': 56, 'patch_size': 14, **options}
    backbone = DINOVisionTransformer(**options)
    for name, parameter in backbone.named_parameters():
        nn.init.normal_(parameter, 1.0 if 'ln' in name else 0.0, 0.3)
    return backbone


def evaluated(backbone):
    nn.Module.train(backbone, False)
    return backbone


# ---- registers


@pytest.mark.parametrize('swiglu', [False, True])
@torch.no_grad()
def test_numbers_are_those_of_timms_dinov2_with_registers(swiglu):
    """The golden file's registers are next to zero; these are not."""
    ffn = {'ffn_type': 'swiglu_fused' if swiglu else 'origin'}
    options = {'position_offset': 0, 'position_antialias': True}
    ours = build(num_registers=4, layer_scale_init_value=1.0, layer_cfgs=ffn, **options)
    name = 'vit_giant_patch14_reg4_dinov2' if swiglu else 'vit_small_patch14_reg4_dinov2'
    config = {**TIMM, 'mlp_ratio': 64 / 24} if swiglu else TIMM
    theirs = MODELS.build(
        dict(
            type='mmpretrain.TIMMBackbone',
            model_name=name,
            img_size=56,
            dynamic_img_size=True,
            **config,
        )
    )
    evaluated(ours), evaluated(theirs)
    state, model = ours.state_dict(), theirs.timm_model
    found = {}
    for key, value in model.state_dict().items():
        name = key.replace('reg_token', 'register_tokens')
        if swiglu:
            name = name.replace('.fc1.', '.w12.').replace('.fc2.', '.w3.')
        name = vit_name(name)
        weight = state.pop(name)
        found[key] = weight if name != 'pos_embed' else weight[:, -value.shape[1] :]
        if name == 'pos_embed':  # timm's has no entry for the class token
            found['cls_token'] = found['cls_token'] + weight[:, :1]
    assert not state
    model.load_state_dict(found)
    for size in ((56, 56), (42, 84)):
        images = torch.randn(2, 3, *size)
        expected = model.forward_features(images)
        torch.testing.assert_close(ours(images)[-1], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize('with_cls_token', [True, False])
@torch.no_grad()
def test_registers_are_in_no_output(with_cls_token):
    backbone = evaluated(build(num_registers=5, with_cls_token=with_cls_token))
    images = torch.randn(2, 3, 28, 42)
    output = backbone(images)[-1]
    extra = 5 + with_cls_token
    assert output.shape == (2, extra + 6, 24) and backbone.num_extra_tokens == extra
    tokens = encode(backbone, images)
    assert tokens.grid == (2, 3)
    torch.testing.assert_close(tokens.region, output[:, extra:])
    view = output[:, 0] if with_cls_token else output[:, extra:].mean(1)
    torch.testing.assert_close(tokens.view, view)
    torch.testing.assert_close(encode(backbone, images, regions=False).view, view)
    assert backbone.last_attention(images).shape == (2, 3, extra + 6, extra + 6)
    features = block_features(backbone, images, 2)
    torch.testing.assert_close(features.blocks[-1], view)
    if with_cls_token:
        torch.testing.assert_close(features.patches, output[:, extra:].mean(1))


@torch.no_grad()
def test_registers_have_no_position_and_change_the_patches():
    backbone = evaluated(build(num_registers=2))
    tokens = backbone.embed(torch.randn(2, 3, 28, 42))
    assert torch.equal(tokens[:, 1:3], backbone.register_tokens.expand(2, -1, -1))
    images = torch.randn(1, 3, 56, 56)
    before = encode(backbone, images)
    backbone.register_tokens.copy_(torch.randn(1, 2, 24))
    after = encode(backbone, images)
    assert (before.region - after.region).abs().max() > 1e-2
    assert backbone.pos_embed.shape == (1, 17, 24)


# ---- masks


@torch.no_grad()
def test_masked_patches_do_not_see_their_pixels():
    backbone = evaluated(build(mask_token=True))
    images = torch.randn(2, 3, 42, 56)
    masks = torch.zeros(2, 3, 4, dtype=torch.bool)
    masks[0, 1, 2] = masks[1, 2, 0] = True
    other = images.clone()
    other[0, :, 14:28, 28:42] += 5
    other[1, :, 28:42, 0:14] -= 5
    assert not torch.allclose(backbone(images)[-1], backbone(other)[-1])
    expected = backbone(images, masks=masks)[-1]
    assert torch.equal(backbone(other, masks=masks)[-1], expected)
    assert torch.equal(backbone(images, masks=masks.flatten(1))[-1], expected)
    none = torch.zeros_like(masks)
    torch.testing.assert_close(backbone(images, masks=none)[-1], backbone(images)[-1])
    changed = (backbone.embed(images, masks) != backbone.embed(images)).any(-1)
    assert torch.equal(changed[:, 1:], masks.flatten(1)) and not changed[:, 0].any()
    backbone.mask_token.copy_(torch.randn(1, 24))
    assert not torch.allclose(backbone(images, masks=masks)[-1], expected)


def test_the_mask_token_has_a_gradient_in_every_step():
    backbone = build(mask_token=True, num_registers=1)
    images = torch.randn(2, 3, 28, 28)
    for masks, moves in ((None, False), (torch.eye(2, 4, dtype=torch.bool), True)):
        backbone.zero_grad()
        encode(backbone, images, masks=masks).region.square().sum().backward()
        assert all(p.grad is not None for p in backbone.parameters())
        assert bool(backbone.mask_token.grad.any()) == moves


@pytest.mark.parametrize(
    ('options', 'masks', 'words'),
    [
        ({}, torch.zeros(2, 2, 2, dtype=torch.bool), r'mask_token=True'),
        ({'mask_token': True}, torch.zeros(2, 2, 2), r'torch\.float32 of shape \(2, 2, 2\)'),
        ({'mask_token': True}, torch.zeros(2, 5, dtype=torch.bool), r'\(2, 2, 2\) or \(2, 4\)'),
        ({'mask_token': True}, torch.zeros(1, 2, 2, dtype=torch.bool), 'mask_grid'),
    ],
)
def test_unfitting_masks_are_errors(options, masks, words):
    with pytest.raises(ValueError, match=words):
        build(**options)(torch.randn(2, 3, 28, 28), masks=masks)


def test_mask_grid_counts_patches():
    assert build().mask_grid(56, 70) == (4, 5)
    assert build().mask_grid(50, 71) == (4, 6)  # padded
    with pytest.raises(ValueError, match=r'pad_to_patch is off, and an image is 50x56.*14x14'):
        build(pad_to_patch=False)(torch.randn(1, 3, 50, 56))


# ---- positions


@pytest.mark.parametrize('options', [{}, {'position_offset': 0, 'position_antialias': True}])
@pytest.mark.parametrize('with_cls_token', [True, False])
@torch.no_grad()
def test_a_table_of_another_size_is_resized_by_the_own_rule(options, with_cls_token):
    options = {'num_registers': 3, 'with_cls_token': with_cls_token, **options}
    small, large = build(img_size=56, **options), build(img_size=(98, 70), **options)
    expected = small.position_embedding((7, 5))
    torch.testing.assert_close(large.resized_positions(small.pos_embed), expected)
    assert large.resized_positions(large.pos_embed) is large.pos_embed
    large.load_state_dict(small.state_dict())
    torch.testing.assert_close(large.pos_embed.data, expected)
    images = torch.randn(1, 3, 98, 70)
    outputs = [evaluated(backbone)(images)[-1] for backbone in (small, large)]
    torch.testing.assert_close(*outputs)


def test_a_table_that_is_no_square_is_an_error():
    backbone = build()
    for shape, words in (
        ((1, 1 + 6, 24), 'has 7 entries.*img_size'),
        ((1, 17, 12), 'width of 24'),
        ((1, 1, 24), 'has 1 entries'),
    ):
        with pytest.raises(ValueError, match=words):
            backbone.resized_positions(torch.zeros(shape))
    with pytest.raises(ValueError, match='rotary'):
        build(positions='rotary').resized_positions(torch.zeros(1, 17, 24))


# ---- the rest


def test_published_widths_and_depths():
    published = {
        'small': (384, 12, 6, 1536),
        'base': (768, 12, 12, 3072),
        'large': (1024, 24, 16, 4096),
        'giant': (1536, 40, 24, 6144),
    }
    for name, numbers in published.items():
        settings = DINOVisionTransformer.arch_zoo[f'dinov2-{name}']
        assert tuple(settings.values()) == numbers
    settings = {**ARCH, 'feedforward_channels': 6144, 'embed_dims': 12}
    giant = build(arch=settings, layer_cfgs={'ffn_type': 'swiglu_fused'})
    assert giant.layers[0].ffn.w12.weight.shape == (2 * 4096, 12)


def test_initialisation_is_dinov2s():
    backbone = DINOVisionTransformer(
        **{'arch': {**ARCH, 'embed_dims': 384}, 'img_size': 56, 'patch_size': 14},
        num_registers=4,
        mask_token=True,
        class_token_std=1e-6,
        layer_scale_init_value=1e-5,
        layer_cfgs={'ffn_type': 'swiglu_fused'},
    )
    backbone.init_weights()
    assert not backbone.mask_token.any()
    for token, std in (
        (backbone.cls_token, 1e-6),
        (backbone.register_tokens, 1e-6),
        (backbone.pos_embed, 0.02),
        (backbone.layers[1].ffn.w3.weight, 0.02),
    ):
        assert float(token.detach().std()) == pytest.approx(std, rel=0.15)
    for scale in (backbone.layers[0].attn.gamma1, backbone.layers[2].ffn.gamma2):
        assert torch.equal(scale.weight.data, torch.full((384,), 1e-5))


def test_all_that_makes_the_input_is_layer_0_and_is_frozen_with_it():
    backbone = build(num_registers=2, mask_token=True, frozen_stages=1)
    depths = {n: backbone.get_layer_depth('backbone.' + n, 'backbone.') for n in names(backbone)}
    first = {name for name, depth in depths.items() if depth == (0, 5)}
    assert first == {
        *('cls_token', 'pos_embed', 'register_tokens', 'mask_token'),
        *('patch_embed.projection.weight', 'patch_embed.projection.bias'),
    }
    assert depths['layers.1.attn.qkv.weight'] == (2, 5) and depths['ln1.weight'] == (4, 5)
    frozen = {n for n, p in backbone.named_parameters() if not p.requires_grad}
    assert frozen == first | {n for n in depths if n.startswith('layers.0.')}


def names(backbone):
    return [name for name, _ in backbone.named_parameters()]


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        ({'position_offset': 1}, 'position_offset is 1'),
        ({'positions': 'sine'}, "positions is 'sine'.*rotary"),
        ({'positions': 'rotary', 'rotary_rescale': 0.5}, 'rotary_rescale is 0.5'),
        ({'rotary_rescale': 2.0}, "positions is 'table'"),
        ({'positions': 'rotary', 'arch': {**ARCH, 'num_heads': 4}}, '24 channels for 4 heads'),
        ({'num_registers': -1}, 'num_registers is -1'),
        ({'layer_cfgs': {'ffn_type': 'swiglu'}}, "ffn_type='swiglu'.*swiglu_fused"),
        ({'layer_cfgs': [{}, {}, {'ffn_type': 'glu'}]}, "ffn_type='glu'"),
        ({'drop_path_rate': 1.0}, 'drop_path_rate is 1.0'),
        ({'arch': 'dinov2-huge'}, 'dinov2-large'),
        ({'pad_to_patch': False, 'img_size': 50}, 'an image is 50x50'),
    ],
    ids=str,
)
def test_senseless_options_are_named(options, words):
    with pytest.raises(ValueError, match=r'model\.backbone\..*' + words):
        build(**options)
