import pytest
import torch
from mmcv.cnn.bricks.drop import drop_path
from torch import nn

from dinomm.engine.hooks.teacher_ema_hook import copy_as_teacher
from dinomm.models import DINOVisionTransformer
from dinomm.models.backbones.stochastic_depth import StochasticDepth, add_branch, keep

ARCH = {'embed_dims': 24, 'num_layers': 4, 'num_heads': 3, 'feedforward_channels': 48}
CPU = torch.device('cpu')


def build(**options):
    backbone = DINOVisionTransformer(arch=ARCH, img_size=32, patch_size=8, **options)
    backbone.init_weights()
    return backbone


def rates(backbone):
    return [(b.attn.out_drop.drop_prob, b.ffn.dropout_layer.drop_prob) for b in backbone.layers]


@pytest.mark.parametrize(
    ('rate', 'batch', 'kept'),
    [(0.3, 10, 7), (0.4, 12, 7), (0.11, 10, 8), (0.9, 5, 1), (0.5, 1, 1), (0.99, 64, 1)],
)
def test_the_branch_runs_on_a_random_subset(rate, batch, kept):
    depth = StochasticDepth(rate, skip_dropped=True)
    tokens = torch.randn(batch, 3, 2)
    chosen = set()
    for _ in range(20):
        draw = depth.draw(batch, CPU)
        part = keep(tokens, draw)
        assert part.shape == (kept, 3, 2)
        assert draw.factor == batch / kept
        assert len(set(draw.samples.tolist())) == kept
        chosen.add(tuple(sorted(draw.samples.tolist())))
        out = add_branch(tokens, torch.ones(kept, 3, 2), draw)
        added = (out - tokens)[:, 0, 0]
        torch.testing.assert_close(added[draw.samples], torch.full((kept,), batch / kept))
        assert added.count_nonzero() == kept
    assert len(chosen) > 1 or batch == kept


@pytest.mark.parametrize(('rate', 'skip'), [(0.1, True), (0.05, True), (0.4, False)])
def test_else_it_is_mmcvs_drop_path(rate, skip):
    depth, tokens, branch = StochasticDepth(rate, skip), *torch.randn(2, 40, 3, 2)
    torch.manual_seed(1)
    draw = depth.draw(40, CPU)
    assert keep(tokens, draw) is tokens
    torch.manual_seed(1)
    expected = tokens + drop_path(branch, rate, training=True)
    torch.testing.assert_close(add_branch(tokens, branch, draw), expected)
    assert not torch.allclose(expected, tokens + branch)


def test_evaluation_and_rate_0_drop_nothing():
    depth = StochasticDepth(0.5, skip_dropped=True)
    assert StochasticDepth(0.0, True).draw(4, CPU) is None
    assert depth.train(False).draw(4, CPU) is None
    tokens, branch = torch.randn(2, 4, 3, 2)
    assert torch.equal(add_branch(tokens, branch, None), tokens + branch)


def test_bfloat16_branches_are_added_in_the_tokens_type():
    draw = StochasticDepth(0.5, skip_dropped=True).draw(4, CPU)
    tokens = torch.randn(4, 3, 2)
    assert add_branch(tokens, keep(tokens, draw).bfloat16(), draw).dtype == torch.float32


@pytest.mark.parametrize('ffn_type', ['origin', 'swiglu_fused'])
def test_rates_rise_with_depth_or_are_uniform(ffn_type):
    ffn = {'ffn_type': ffn_type}
    rising = rates(build(drop_path_rate=0.3, layer_cfgs=ffn))
    assert rising == [pytest.approx((r, r)) for r in (0, 0.1, 0.2, 0.3)]
    assert (
        rates(build(drop_path_rate=0.3, drop_path_uniform=True, layer_cfgs=ffn)) == [(0.3, 0.3)] * 4
    )
    own = [ffn, ffn, {**ffn, 'drop_path_rate': 0.2}, ffn]
    uniform = build(drop_path_rate=0.3, drop_path_uniform=True, layer_cfgs=own)
    assert [rate for rate, _ in rates(uniform)] == [0.3, 0.3, 0.2, 0.3]


@pytest.mark.parametrize('ffn_type', ['origin', 'swiglu_fused'])
def test_both_branches_skip(ffn_type):
    settings = {'drop_path_uniform': True, 'layer_cfgs': {'ffn_type': ffn_type}}
    backbone = build(drop_path_rate=0.5, skip_dropped=True, **settings)
    rows = []
    for layer in backbone.layers:
        for part in (layer.attn.proj, layer.ffn):
            part.register_forward_pre_hook(lambda _module, args: rows.append(len(args[0])))
    backbone(torch.randn(6, 3, 32, 32))
    assert rows == [3 * 17] * 8
    rows.clear()
    nn.Module.train(backbone, False)
    backbone(torch.randn(6, 3, 32, 32))
    assert rows == [6 * 17] * 8


@torch.no_grad()
def test_the_mean_over_draws_is_the_network_without():
    """Of one block, whose branches are kept near linear by small weights."""
    images = torch.randn(8, 3, 32, 32)
    backbone = build(drop_path_rate=0.5, skip_dropped=True, drop_path_uniform=True)
    layer = backbone.layers[0]
    tokens = backbone.embed(images)
    mean = torch.stack([layer(tokens) - tokens for _ in range(800)]).mean(0)
    nn.Module.train(backbone, False)
    exact = layer(tokens) - tokens
    assert float((mean - exact).norm() / exact.norm()) < 0.1


@pytest.mark.parametrize('ffn_type', ['origin', 'swiglu_fused'])
@torch.no_grad()
def test_the_teacher_drops_and_turns_nothing_at_random(ffn_type):
    student = build(
        drop_path_rate=0.5,
        drop_path_uniform=True,
        skip_dropped=True,
        positions='rotary',
        rotary_rescale=2,
        layer_cfgs={'ffn_type': ffn_type},
    )
    teacher = copy_as_teacher(student)
    assert teacher.training and set(rates(teacher)) == {(0.0, 0.0)}
    assert set(rates(student)) == {(0.5, 0.5)}
    images = torch.randn(4, 3, 32, 32)
    first = teacher(images)[-1]
    assert torch.equal(first, teacher(images)[-1])
    assert torch.equal(first, teacher([images], masks=[None])[0][-1])
    assert not torch.equal(student(images)[-1], student(images)[-1])
    nn.Module.train(student, False)
    torch.testing.assert_close(student(images)[-1], first)
