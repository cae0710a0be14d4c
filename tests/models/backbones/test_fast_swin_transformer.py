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


# ---- masks

SWIN = dict(
    arch=dict(embed_dims=12, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 4]),
    img_size=64,
    pad_small_map=True,
    drop_path_rate=0.0,
)


def masked(**settings):
    backbone = FastSwinTransformer(**SWIN, mask_token=True, **settings)
    for parameter in backbone.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return backbone


@pytest.mark.parametrize('size', [(96, 96), (64, 128), (100, 70)])
def test_without_masks_it_is_mmpretrains_swin(size):
    backbone, plain = masked(), SwinTransformer(**SWIN)
    state = backbone.state_dict()
    assert state.pop('mask_token').shape == (1, 12)
    assert set(state) == set(FastSwinTransformer(**SWIN).state_dict()) == set(plain.state_dict())
    plain.load_state_dict(state)
    images = torch.randn(2, 3, *size)
    expected = plain(images)[-1]
    tolerance = 1e-5 * float(expected.detach().abs().max())
    none = torch.zeros(2, *backbone.mask_grid(*size), dtype=torch.bool)
    for masks in (None, none):
        torch.testing.assert_close(backbone(images, masks)[-1], expected, atol=tolerance, rtol=0)


@pytest.mark.parametrize(
    ('size', 'grid'), [((96, 96), (3, 3)), ((64, 128), (2, 4)), ((100, 70), (4, 3))]
)
@torch.no_grad()
def test_cells_are_those_of_the_last_map(size, grid):
    backbone = masked()
    assert backbone.mask_grid(*size) == grid
    images = torch.randn(1, 3, *size)
    assert backbone(images)[-1].shape[-2:] == grid
    seen = []
    backbone.stages[0].register_forward_pre_hook(lambda _module, args: seen.append(args[0]))
    masks = torch.zeros(1, *grid, dtype=torch.bool)
    masks[0, -1, 1] = True
    for mask in (None, masks, masks.flatten(1)):
        backbone(images, masks=mask)
    columns = -(-size[1] // 4)
    changed = (seen[0] != seen[1]).any(-1).unflatten(1, (-1, columns))[0]
    expected = torch.zeros_like(changed)
    expected[8 * (grid[0] - 1) :, 8:16] = True  # 32 px are 8 patches of 4
    assert torch.equal(changed, expected)
    assert torch.equal(seen[1], seen[2])
    token = backbone.mask_token.expand(int(expected.sum()), -1)
    assert torch.equal(seen[1][0][expected.flatten()], token)


@torch.no_grad()
def test_masked_cells_do_not_see_their_pixels():
    backbone = masked()
    images = torch.randn(2, 3, 96, 96)
    masks = torch.zeros(2, 3, 3, dtype=torch.bool)
    masks[1, 2, 0] = True
    other = images.clone()
    other[1, :, 64:, :32] += 3
    assert torch.equal(backbone(other, masks)[-1], backbone(images, masks)[-1])
    assert not torch.allclose(backbone(other)[-1], backbone(images)[-1])
    torch.testing.assert_close(backbone(images, masks)[-1][0], backbone(images)[-1][0])


@pytest.mark.parametrize(
    ('settings', 'grid'),
    [
        (dict(out_indices=(0, 2)), (6, 6)),
        (dict(out_indices=(1,), out_after_downsample=True), (6, 6)),
    ],
)
def test_cells_of_an_earlier_map(settings, grid):
    backbone = masked(**settings)
    assert backbone.mask_grid(96, 96) == grid
    masks = torch.ones(1, *grid, dtype=torch.bool)
    assert backbone(torch.randn(1, 3, 96, 96), masks)[-1].shape[-2:] == grid


def test_gradients_of_the_mask_token():
    backbone = masked()
    images = torch.randn(2, 3, 64, 64)
    for masks, moves in ((None, False), (torch.eye(2, 4, dtype=torch.bool), True)):
        backbone.zero_grad()
        backbone(images, masks)[-1].square().sum().backward()
        assert all(p.grad is not None for p in backbone.parameters())
        assert bool(backbone.mask_token.grad.any()) == moves
    with torch.autocast('cpu', torch.bfloat16):
        assert backbone(images, masks)[-1].isfinite().all()


def test_unfitting_masks_are_errors():
    images, masks = torch.randn(2, 3, 96, 96), torch.zeros(2, 3, 3, dtype=torch.bool)
    with pytest.raises(ValueError, match=r'model\.backbone\.mask_token=True'):
        FastSwinTransformer(**SWIN)(images, masks)
    with pytest.raises(ValueError, match=r'\(2, 2, 3\): expected booleans of shape \(2, 3, 3\)'):
        masked()(images, masks[:, :2])


def test_the_mask_token_is_layer_0_and_frozen_with_the_patch_embedding():
    backbone = masked(frozen_stages=0)
    assert not backbone.mask_token.requires_grad
    assert backbone.get_layer_depth('backbone.mask_token', 'backbone.') == (0, 6)
    assert backbone.get_layer_depth('backbone.norm3.weight', 'backbone.') == (5, 6)
    assert masked().mask_token.requires_grad
