import math

import pytest
import torch
from torch import nn

from dinomm.models import DINOVisionTransformer
from dinomm.models.backbones.rotary import Rotation, rotate, rotation

CPU = torch.device('cpu')
ARCH = {'embed_dims': 24, 'num_layers': 2, 'num_heads': 3, 'feedforward_channels': 48}


def build(**options):
    backbone = DINOVisionTransformer(
        arch=ARCH, img_size=32, patch_size=8, positions='rotary', **options
    )
    for name, parameter in backbone.named_parameters():
        nn.init.normal_(parameter, 1.0 if 'ln' in name else 0.0, 0.3)
    return backbone


@pytest.mark.parametrize('grid', [(4, 4), (3, 5), (1, 2)])
def test_angles_are_timms(grid):
    embedding = pytest.importorskip('timm.layers.pos_embed_sincos')
    theirs = embedding.RotaryEmbeddingDinoV3(dim=16).get_embed(list(grid))
    sin, cos = theirs.chunk(2, dim=-1)
    ours = rotation(grid, 0, 16, CPU)
    torch.testing.assert_close(ours.sin, sin, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours.cos, cos, atol=1e-5, rtol=1e-5)
    heads = torch.randn(2, 3, grid[0] * grid[1], 16)
    expected = embedding.apply_rot_embed_cat(heads, theirs, half=True)
    torch.testing.assert_close(rotate(heads, ours), expected, atol=1e-5, rtol=1e-5)


def test_lengths_stay_and_products_depend_on_the_distance_alone():
    query, key = torch.randn(2, 1, 1, 1, 8)
    turn = rotation((5, 6), 0, 8, CPU)
    queries, keys = (rotate(x.expand(1, 1, 30, 8), turn) for x in (query, key))
    torch.testing.assert_close(queries.norm(dim=-1), query.norm(dim=-1).expand(1, 1, 30))
    scores = (queries @ keys.mT)[0, 0].unflatten(0, (5, 6)).unflatten(-1, (5, 6))
    torch.testing.assert_close(scores[0, 0, 2, 3], scores[2, 1, 4, 4])
    assert abs(float(scores[0, 0, 2, 3] - scores[0, 0, 3, 2])) > 1e-3


def test_the_first_tokens_are_not_turned():
    turn = rotation((2, 2), 3, 8, CPU)
    heads = torch.randn(1, 2, 7, 8)
    turned = rotate(heads, turn)
    assert torch.equal(turned[:, :, :3], heads[:, :, :3])
    assert not torch.isclose(turned[:, :, 3:], heads[:, :, 3:]).all(-1).any()


def test_rescaling_is_log_uniform():
    plain = rotation((1, 3), 0, 4, CPU)  # the last patch's centre is 2 / 3: an angle of 4 pi / 3
    angle = 4 * math.pi / 3
    assert float(plain.cos[2, 1]) == pytest.approx(math.cos(angle), abs=1e-5)
    factors = []
    for _ in range(400):
        turn = rotation((1, 30), 0, 4, CPU, max_rescale=2.0)
        # of the patch nearest to the middle, whose angle stays below pi
        found = math.atan2(float(turn.sin[15, 1]), float(turn.cos[15, 1]))
        factors.append(found / (2 * math.pi / 30))
    logs = torch.tensor(factors).log2()
    assert -1 <= float(logs.min()) < -0.9 and 0.9 < float(logs.max()) <= 1
    assert abs(float(logs.mean())) < 0.1
    assert abs(float(logs.std()) - 1 / math.sqrt(3)) < 0.06


def test_rounds_to_the_type_of_the_heads():
    turn = rotation((2, 2), 1, 8, CPU)
    assert isinstance(turn, Rotation) and turn.cos.dtype == torch.float32
    assert rotate(torch.randn(1, 2, 5, 8).bfloat16(), turn).dtype == torch.bfloat16


@torch.no_grad()
def test_every_size_works_without_a_table():
    backbone = build(num_registers=2)
    assert not any('pos_embed' in name for name in backbone.state_dict())
    backbone.init_weights()
    backbone = build(num_registers=2)
    nn.Module.train(backbone, False)
    for size in ((16, 48), (32, 32), (8, 8)):
        assert backbone(torch.randn(1, 3, *size))[-1].shape[1] == 3 + size[0] * size[1] // 64
    images = torch.randn(1, 3, 32, 32)
    turned = images.flip(-1)
    patches = [backbone(x)[-1][:, 3:].unflatten(1, (4, 4)) for x in (images, turned)]
    assert (patches[0] - patches[1].flip(2)).abs().max() > 1e-2, 'patches have no place'


@torch.no_grad()
def test_attention_and_view_follow_the_rotation():
    backbone = build(num_registers=1)
    nn.Module.train(backbone, False)
    images = torch.randn(2, 3, 32, 16)
    full = backbone(images)[-1]
    torch.testing.assert_close(backbone(images, view_only=True)[-1], full[:, :1])
    seen = []
    backbone.layers[-1].register_forward_pre_hook(lambda _module, args: seen.append(args[0]))
    backbone(images)
    last = backbone.layers[-1]
    attention = backbone.last_attention(images)
    values = last.attn.qkv(last.ln1(seen[0])).unflatten(-1, (3, 3, -1))[:, :, 2].transpose(1, 2)
    tokens = seen[0] + last.attn.proj((attention @ values).transpose(1, 2).flatten(2))
    tokens = tokens + last.ffn(last.ln2(tokens))
    torch.testing.assert_close(backbone.ln1(tokens), full, atol=1e-5, rtol=1e-4)


def test_rescaling_is_of_training_alone():
    backbone = build(rotary_rescale=2.0)
    images = torch.randn(1, 3, 32, 32)
    assert not torch.equal(backbone(images)[-1], backbone(images)[-1])
    nn.Module.train(backbone, False)
    assert torch.equal(backbone(images)[-1], backbone(images)[-1])


@torch.no_grad()
def test_queries_and_keys_are_both_turned():
    """The attention of a block whose queries and keys are copies of known vectors."""
    layer = build().layers[0]
    tokens, turn = torch.randn(1, 5, 24), rotation((2, 2), 1, 8, CPU)
    qkv = layer.attn.qkv(layer.ln1(tokens)).unflatten(-1, (3, 3, 8)).permute(2, 0, 3, 1, 4)
    queries, keys = (rotate(heads, turn) for heads in qkv[:2])
    expected = (queries @ keys.mT / 8**0.5).softmax(-1)
    torch.testing.assert_close(layer.attention(tokens, turn), expected)
