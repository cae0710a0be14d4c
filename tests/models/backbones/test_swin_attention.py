import copy
import pickle

import pytest
import torch
from mmpretrain.models.backbones import SwinTransformer, SwinTransformerV2
from mmpretrain.models.utils.attention import ShiftWindowMSA
from torch import nn

from dinomm.launch import read_config
from dinomm.models import SelfDistillation
from dinomm.models.backbones import speed_up, swin_attention
from dinomm.models.backbones.swin_attention import FastPatchMerging, FastShiftWindowMSA
from dinomm.registry import MODELS
from tests.integration.tiny import ROOT

NO_SHIFT = dict(block_cfgs=dict(shift=False))
ESVIT = {  # the stages whose map at 224 px is one window are not shifted
    7: [{}, {}, {}, NO_SHIFT],
    14: [{}, {}, NO_SHIFT, dict(NO_SHIFT, window_size=7)],
}


def build(window=7, std=0.2, **options):
    torch.manual_seed(0)
    arch = dict(embed_dims=8, depths=[2, 2, 2, 2], num_heads=[1, 2, 2, 4])
    options = {'stage_cfgs': ESVIT[window], 'pad_small_map': True, 'drop_path_rate': 0.0, **options}
    backbone = SwinTransformer(arch=arch, window_size=window, **options)
    for parameter in backbone.parameters():  # biases and norms off 0 and 1
        nn.init.normal_(parameter, std=std)
    return backbone


def pair(window=7, **options):
    theirs = build(window, **options)
    return theirs, speed_up(copy.deepcopy(theirs))


def features_and_gradients(backbone, images):
    backbone.zero_grad()
    images = images.clone().requires_grad_()
    maps = backbone(images)
    generator = torch.Generator().manual_seed(1)
    sum((m * torch.randn(m.shape, generator=generator).to(m)).sum() for m in maps).backward()
    gradients = {name: parameter.grad for name, parameter in backbone.named_parameters()}
    return [m.detach() for m in maps], {**gradients, 'images': images.grad}


def assert_equal(theirs, ours, images):
    """In float64: features, and gradients relative to their largest entry."""
    images = images.double()
    expected, expected_gradients = features_and_gradients(theirs.double(), images)
    actual, gradients = features_and_gradients(ours.double(), images)
    for a, e in zip(actual, expected, strict=True):
        torch.testing.assert_close(a, e, atol=1e-10, rtol=0)
    for name, expected_gradient in expected_gradients.items():
        if expected_gradient is None:
            assert gradients[name] is None, name
            continue
        off = (gradients[name] - expected_gradient).abs().max() / expected_gradient.abs().max()
        assert off < 1e-10, name


@pytest.mark.parametrize('window', [7, 14])
@pytest.mark.parametrize('size', [(224, 224), (96, 96), (100, 140), (33, 70)], ids=str)
def test_equals_mmpretrains(window, size):
    """Features and all gradients; maps smaller than the window, odd and not square among them."""
    theirs, ours = pair(window, out_indices=(0, 1, 2, 3))
    assert_equal(theirs, ours, torch.randn(1 if size[0] == 224 else 2, 3, *size))


@pytest.mark.parametrize('window', [7, 14])
@pytest.mark.parametrize('side', [224, 96])
def test_equals_mmpretrains_in_float32(window, side):
    theirs, ours = pair(window, std=0.1)
    images = torch.randn(2, 3, side, side)
    truth, true_gradients = features_and_gradients(copy.deepcopy(theirs).double(), images.double())
    features, gradients = features_and_gradients(ours, images)
    torch.testing.assert_close(features[0].double(), truth[0], atol=1e-5, rtol=0)
    _, their_gradients = features_and_gradients(theirs, images)
    for name, true_gradient in true_gradients.items():
        largest = true_gradient.abs().max()
        off, theirs_off = (
            (all_[name].double() - true_gradient).abs().max() / largest
            for all_ in (gradients, their_gradients)
        )
        assert off < 1e-5 + 4 * theirs_off, name  # a sum over all windows cancels: 1e-4 in theirs


@pytest.mark.parametrize(
    'options',
    [
        dict(stage_cfgs={}),  # shifts a map that is one window, with and without padding
        dict(stage_cfgs={}, pad_small_map=False),  # does not shift such a map
        dict(stage_cfgs=dict(block_cfgs=dict(attn_cfgs=dict(qkv_bias=False)))),
        dict(stage_cfgs=dict(block_cfgs=dict(attn_cfgs=dict(qk_scale=0.3)))),
        dict(stage_cfgs=dict(downsample_cfg=dict(norm_cfg=None))),
        dict(stage_cfgs=dict(downsample_cfg=dict(kernel_size=3, stride=2))),  # not ours
        dict(with_cp=True),
        dict(frozen_stages=1),
    ],
    ids=str,
)
def test_equals_mmpretrains_with(options):
    assert_equal(*pair(**options), torch.randn(2, 3, 224, 224))


def test_drop_path_and_attention_dropout():
    options = dict(stage_cfgs=dict(block_cfgs=dict(attn_cfgs=dict(attn_drop=0.5, proj_drop=0.5))))
    theirs, ours = pair(drop_path_rate=0.5, **options)
    images = torch.randn(2, 3, 64, 64)
    for backbone in (theirs, ours):
        backbone.eval()
    assert_equal(theirs, ours, images)
    _, dropping = pair(stage_cfgs=dict(block_cfgs=dict(attn_cfgs=dict(attn_drop=0.5))))
    assert not torch.equal(dropping(images)[-1], dropping(images)[-1])


def error(actual, exact):
    return (actual.double() - exact).pow(2).mean().sqrt().item()


@pytest.mark.parametrize('side', [14, 6])
@pytest.mark.parametrize('bias_std', [0.02, 8])
@pytest.mark.parametrize('training', [True, False])  # the fused kernel, and that with gradients
def test_under_autocast_no_farther_from_the_truth_than_mmpretrains(side, bias_std, training):
    torch.manual_seed(0)
    theirs = ShiftWindowMSA(96, 3, 7, shift_size=3, pad_small_map=True)
    nn.init.normal_(theirs.w_msa.relative_position_bias_table, std=bias_std)
    ours = speed_up(nn.Sequential(copy.deepcopy(theirs)))[0]
    tokens = torch.randn(16, side * side, 96)
    with torch.set_grad_enabled(training):
        exact = copy.deepcopy(theirs).double()(tokens.double(), (side, side))
        with torch.autocast('cpu', torch.bfloat16):
            rounded = ours(tokens, (side, side)), theirs(tokens, (side, side))
    assert rounded[0].dtype == torch.bfloat16
    assert error(rounded[0], exact) <= error(rounded[1], exact)


def test_names_copies_and_pickles():
    theirs, ours = pair()
    assert list(theirs.state_dict()) == list(ours.state_dict())
    images = torch.randn(1, 3, 96, 96)
    expected = ours(images)[-1]
    for twin in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert type(twin.stages[0].blocks[1].attn) is FastShiftWindowMSA
        assert type(twin.stages[0].downsample) is FastPatchMerging
        torch.testing.assert_close(twin(images)[-1], expected, rtol=0, atol=0)


def test_published_name_of_the_last_norm_still_loads():
    ours = speed_up(build())
    state = {name.replace('norm3.', 'norm.'): v for name, v in build().state_dict().items()}
    ours.load_state_dict(state, strict=True)


def test_compiles_into_one_graph():
    stage = speed_up(build()).stages[0]  # unshifted and shifted attention, padding, merging
    compiled = copy.deepcopy(stage)
    compiled.compile(backend='aot_eager', fullgraph=True)
    swin_attention._window_layout.cache_clear()
    tokens = torch.randn(2, 10 * 15, 8)
    results = []
    for module in (stage, compiled):
        merged, hw_shape = module(tokens, (10, 15))
        merged.square().sum().backward()
        results.append((merged, hw_shape, [parameter.grad for parameter in module.parameters()]))
    torch.testing.assert_close(*results)


def test_a_layout_is_made_once():
    backbone = speed_up(build())
    images = torch.randn(1, 3, 224, 224)
    backbone(images)
    misses = swin_attention._window_layout.cache_info().misses
    backbone(images)
    assert swin_attention._window_layout.cache_info().misses == misses


def test_no_subnormal_probabilities():
    backbone = speed_up(build())
    attention = backbone.stages[0].blocks[1].attn
    layout = swin_attention.layout_of(attention, (14, 14), torch.device('cpu'))
    bias = swin_attention.attention_bias(attention.w_msa, layout)
    probabilities = bias.softmax(-1)
    tiny = torch.finfo(torch.float32).tiny
    assert (probabilities == 0).any() and not ((probabilities > 0) & (probabilities < tiny)).any()


def test_a_map_smaller_than_its_window_needs_padding():
    backbone = speed_up(build(stage_cfgs={}, pad_small_map=False))
    with pytest.raises(ValueError, match='6x6 tokens is smaller than the attention window of 7'):
        backbone(torch.randn(1, 3, 96, 96))


def test_other_backbones_stay():
    other = SwinTransformerV2(arch='tiny', window_size=8)
    before = [type(module) for module in other.modules()]
    assert [type(module) for module in speed_up(other).modules()] == before


@pytest.mark.parametrize('size', [112, 96], ids=str)
def test_last_attention(size):
    backbone = build(stage_cfgs={})
    captured = []
    backbone.stages[-1].blocks[-1].attn.w_msa.softmax.register_forward_hook(
        lambda _module, _inputs, output: captured.append(output)
    )
    images = torch.randn(2, 3, size, size)
    backbone(images)
    actual = swin_attention.last_attention(speed_up(backbone), images)
    torch.testing.assert_close(actual, captured[0], atol=1e-5, rtol=0)


def test_self_distillation_speeds_its_backbone_up():
    head = dict(type='DINOHead', in_channels=64, num_prototypes=8, hidden_channels=8)
    arch = dict(embed_dims=8, depths=[1] * 4, num_heads=[1] * 4)
    model = SelfDistillation(dict(type='SwinTransformer', arch=arch), dict(view=head))
    assert type(model.backbone.stages[0].blocks[0].attn) is FastShiftWindowMSA


@pytest.mark.parametrize(
    ('name', 'millions', 'width'),
    [
        ('tiny-w7', 27.5, 768),
        ('tiny-w14', 27.6, 768),
        ('small-w7', 48.8, 768),
        ('small-w14', 49.0, 768),
        ('base-w7', 86.7, 1024),
        ('base-w14', 86.9, 1024),
    ],
)
def test_shipped_models(name, millions, width):
    """Sizes, EsViT's eps everywhere, no shift where the map at 224 px is one window."""
    config = read_config(str(ROOT / f'configs/_base_/models/esvit_swin-{name}.py'))
    backbone = MODELS.build({'_scope_': 'dinomm', **config.model.backbone})
    assert sum(p.numel() for p in backbone.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)
    assert {m.eps for m in backbone.modules() if isinstance(m, nn.LayerNorm)} == {1e-6}
    window = int(name.split('-w')[1])
    for stage, side in zip(backbone.stages, (56, 28, 14, 7), strict=True):
        shifts = [block.attn.shift_size for block in stage.blocks]
        size = min(window, side)
        assert {block.attn.window_size for block in stage.blocks} == {size}
        assert shifts == [
            0 if i % 2 == 0 or side <= size else size // 2 for i in range(len(shifts))
        ]
    assert config.model.heads.view.in_channels == config.region_head.in_channels == width
