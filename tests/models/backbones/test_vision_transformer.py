import pytest
import torch
from mmpretrain.models.backbones import VisionTransformer
from torch.nn import functional as F

from dinomm.models import DINOVisionTransformer, encode

ARCH = {'embed_dims': 24, 'num_layers': 3, 'num_heads': 3, 'feedforward_channels': 48}


def build(cls=DINOVisionTransformer, **options):
    if cls is VisionTransformer:
        options = {'out_type': 'raw', **options}
    return cls(arch=ARCH, img_size=32, patch_size=8, **options)


def initialised(**options):
    backbone = build(**options)
    backbone.init_weights()
    return backbone


@pytest.mark.parametrize(
    'options',
    [
        {},
        {'pre_norm': True},
        {'final_norm': False},
        {'with_cls_token': False},
        {'out_indices': [0, 2]},
        {'layer_scale_init_value': 0.5},
        {'layer_scale_init_value': 0.5, 'layer_cfgs': {'ffn_type': 'swiglu_fused'}},
    ],
    ids=str,
)
@torch.no_grad()
def test_weights_and_outputs_are_mmpretrains(options):
    ours, theirs = initialised(**options), build(VisionTransformer, **options)
    for module in (ours, theirs):
        module.eval()
    theirs.load_state_dict(ours.state_dict(), strict=True)
    images = torch.randn(2, 3, 32, 32)
    for actual, expected in zip(ours(images), theirs(images), strict=True):
        torch.testing.assert_close(actual, expected)
    ours.load_state_dict(theirs.state_dict(), strict=True)


@pytest.mark.parametrize('size', [(16, 16), (32, 48), (48, 32)])
@torch.no_grad()
def test_positions_without_offset_are_mmpretrains(size):
    ours, theirs = initialised(position_offset=0), build(VisionTransformer)
    theirs.load_state_dict(ours.state_dict())
    for module in (ours, theirs):
        module.eval()
    images = torch.randn(2, 3, *size)
    torch.testing.assert_close(ours(images)[-1], theirs(images)[-1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('grid', [(2, 2), (4, 6), (2, 8), (7, 5)])
@torch.no_grad()
def test_positions_with_the_published_offset(grid):
    backbone = initialised()
    table = backbone.pos_embed[:, 1:].unflatten(1, (4, 4)).permute(0, 3, 1, 2)
    scale = [(size + 0.1) / 4 for size in grid]
    expected = F.interpolate(table, scale_factor=scale, mode='bicubic')
    assert expected.shape[-2:] == grid
    actual = backbone.position_embedding(grid)
    torch.testing.assert_close(actual[:, 1:], expected.flatten(2).transpose(1, 2))
    assert torch.equal(actual[:, :1], backbone.pos_embed[:, :1])
    plain = initialised(position_offset=0)
    plain.load_state_dict(backbone.state_dict())
    assert (plain.position_embedding(grid) - actual).abs().max() > 1e-4


def test_positions_of_the_native_grid_are_the_parameter():
    backbone = initialised()
    assert backbone.position_embedding((4, 4)) is backbone.pos_embed


def test_initialisation_is_the_published_one():
    backbone = initialised()
    for name, parameter in backbone.layers.named_parameters():
        if name.endswith('.bias'):
            assert not parameter.any(), name
        elif parameter.ndim == 2:
            assert float(parameter.detach().std()) == pytest.approx(0.02, rel=0.1), name
            assert parameter.abs().max() < 0.12, name
    for token in (backbone.pos_embed, backbone.cls_token):
        assert float(token.detach().std()) == pytest.approx(0.02, rel=0.5)


@pytest.mark.parametrize('as_list', [False, True])
def test_pretrained_weights_survive_the_initialisation(tmp_path, as_list):
    torch.save({'state_dict': initialised().state_dict()}, tmp_path / 'weights.pth')
    init_cfg = {'type': 'Pretrained', 'checkpoint': str(tmp_path / 'weights.pth')}
    backbone = build(init_cfg=[init_cfg] if as_list else init_cfg)
    backbone.init_weights()
    expected = torch.load(tmp_path / 'weights.pth')['state_dict']
    for name, value in backbone.state_dict().items():
        assert torch.equal(value, expected[name]), name


def test_another_out_type_is_an_error():
    with pytest.raises(ValueError, match=r"model\.backbone\.out_type is 'cls_token'"):
        build(out_type='cls_token')


@torch.no_grad()
def test_attention_is_that_of_the_last_block():
    backbone = initialised()
    backbone.eval()
    images = torch.randn(2, 3, 16, 24)
    attention = backbone.last_attention(images)
    assert attention.shape == (2, 3, 7, 7)
    assert (attention >= 0).all()
    torch.testing.assert_close(attention.sum(-1), torch.ones(2, 3, 7))
    # the block's own output follows from it
    (tokens,) = build_last_input(backbone, images)
    last = backbone.layers[-1]
    values = last.attn.qkv(last.ln1(tokens)).unflatten(-1, (3, 3, -1))[:, :, 2].transpose(1, 2)
    mixed = last.attn.proj((attention @ values).transpose(1, 2).flatten(2))
    torch.testing.assert_close(mixed, last.attn(last.ln1(tokens)), atol=1e-5, rtol=1e-4)


def build_last_input(backbone, images):
    seen = []
    handle = backbone.layers[-1].register_forward_pre_hook(lambda _module, args: seen.append(*args))
    backbone(images)
    handle.remove()
    return seen


@torch.no_grad()
def test_last_blocks_are_normed():
    backbone = initialised()
    backbone.eval()
    images = torch.randn(1, 3, 32, 32)
    before_last, last = backbone.last_blocks(images, 2)
    assert torch.equal(last, backbone(images)[-1])
    torch.testing.assert_close(before_last, backbone.ln1(build_last_input(backbone, images)[0]))


@pytest.mark.parametrize(
    'options',
    [{}, dict(final_norm=False), dict(out_indices=[0]), dict(with_cls_token=False)],
)
def test_the_view_alone_is_the_view_of_all_tokens(options):
    torch.manual_seed(0)
    backbone = initialised(**options)
    images = torch.randn(2, 3, 32, 24, requires_grad=True)
    views, gradients = [], []
    for regions in (True, False):
        view = encode(backbone, images, regions).view
        view.square().sum().backward()
        views.append(view)
        gradients.append({n: p.grad for n, p in backbone.named_parameters() if p.grad is not None})
        backbone.zero_grad()
    torch.testing.assert_close(views[0], views[1])
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, msg=name, atol=1e-5, rtol=1e-4)
