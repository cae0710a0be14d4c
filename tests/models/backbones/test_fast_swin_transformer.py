import pytest
import torch
from mmpretrain.models.backbones import SwinTransformer

from dinomm.models import FastSwinTransformer
from dinomm.models.backbones.swin_attention import FastPatchMerging, FastShiftWindowMSA

SETTINGS = dict(
    arch=dict(embed_dims=12, depths=[2, 2, 2], num_heads=[1, 2, 4]),
    out_indices=(0, 1, 2),
    pad_small_map=True,
    drop_path_rate=0.0,
)


def pair(**settings):
    """The fast one and mmpretrain's, with the same weights, none of them at its initial value."""
    plain, fast = SwinTransformer(**settings), FastSwinTransformer(**settings)
    for parameter in plain.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    fast.load_state_dict(plain.state_dict())
    return fast, plain


@pytest.mark.parametrize('size', [(64, 96), (50, 70), (28, 28)])
def test_equals_mmpretrains_with_gradients(size):
    fast, plain = pair(**SETTINGS)
    assert any(type(m) is FastShiftWindowMSA for m in fast.modules())
    assert any(type(m) is FastPatchMerging for m in fast.modules())
    images = torch.randn(2, 3, *size)
    for ours, theirs in zip(fast(images), plain(images), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5 * float(theirs.detach().abs().max()))
    for network in (fast, plain):
        sum(output.pow(2).mean() for output in network(images)).backward()
    for (name, ours), theirs in zip(fast.named_parameters(), plain.parameters(), strict=True):
        scale = float(theirs.grad.abs().max()) + 1e-3
        assert float((ours.grad - theirs.grad).abs().max()) < 1e-4 * scale, name


def test_stages_are_frozen_from_the_start():
    """DDP looks at them when it wraps the model, before anybody calls train()."""
    backbone = FastSwinTransformer(**SETTINGS, frozen_stages=0)
    frozen = {name for name, p in backbone.named_parameters() if not p.requires_grad}
    expected = ('patch_embed.', 'stages.0.', 'norm0.')
    assert frozen == {n for n, _ in backbone.named_parameters() if n.startswith(expected)}
    assert not any(not p.requires_grad for p in FastSwinTransformer(**SETTINGS).parameters())
