import pytest
import torch
from torch import nn

import dinomm.models  # noqa: F401
from dinomm.models.tokens import Tokens, encode, encode_groups, views, width_of
from dinomm.registry import MODELS

VIT = {'embed_dims': 24, 'num_layers': 2, 'num_heads': 2, 'feedforward_channels': 48}
SWIN = {'embed_dims': 12, 'depths': [1, 1, 1, 1], 'num_heads': [1, 1, 2, 4]}

# family -> backbone, image size, grid, width
FAMILIES = {
    'dinomm ViT': (
        {'type': 'DINOVisionTransformer', 'arch': VIT, 'img_size': 64, 'patch_size': 16},
        (48, 80),
        (3, 5),
        24,
    ),
    'dinomm ViT without class token': (
        {
            'type': 'DINOVisionTransformer',
            'arch': VIT,
            'img_size': 64,
            'patch_size': 16,
            'with_cls_token': False,
        },
        (48, 80),
        (3, 5),
        24,
    ),
    'mmpretrain ViT': (
        {
            'type': 'VisionTransformer',
            'arch': VIT,
            'img_size': 64,
            'patch_size': 16,
            'out_type': 'raw',
        },
        (40, 80),  # padded to whole patches
        (3, 5),
        24,
    ),
    'mmpretrain Swin': (
        {'type': 'SwinTransformer', 'arch': SWIN, 'img_size': 64, 'pad_small_map': True},
        (64, 96),
        (2, 3),
        96,
    ),
    'mmpretrain Swin, third stage': (
        {
            'type': 'SwinTransformer',
            'arch': SWIN,
            'img_size': 64,
            'pad_small_map': True,
            'out_indices': (2,),
        },
        (64, 96),
        (4, 6),
        48,
    ),
    'mmpretrain ResNet': ({'type': 'ResNet', 'depth': 18}, (96, 160), (3, 5), 512),
    'mmpretrain ResNet, third stage': (
        {'type': 'ResNet', 'depth': 18, 'out_indices': (2,)},
        (48, 80),
        (3, 5),
        None,
    ),
    'timm ViT': (
        {
            'type': 'TIMMBackbone',
            'model_name': 'vit_tiny_patch16_224',
            'embed_dim': 24,
            'depth': 1,
            'num_heads': 2,
            'dynamic_img_size': True,
            'num_classes': 7,
        },
        (48, 80),
        (3, 5),
        24,
    ),
    'timm ViT with registers, no class token': (
        {
            'type': 'TIMMBackbone',
            'model_name': 'vit_medium_patch16_reg4_gap_256',
            'embed_dim': 24,
            'depth': 1,
            'num_heads': 2,
            'dynamic_img_size': True,
        },
        (48, 80),
        (3, 5),
        24,
    ),
    'timm Swin': (
        {
            'type': 'TIMMBackbone',
            'model_name': 'swin_tiny_patch4_window7_224',
            'embed_dim': 12,
            'depths': (1, 1, 1, 1),
            'num_heads': (1, 1, 2, 4),
            'img_size': (64, 96),
        },
        (64, 96),
        (2, 3),
        96,
    ),
    'timm ResNet': (
        {'type': 'TIMMBackbone', 'model_name': 'resnet10t'},
        (96, 160),
        (3, 5),
        512,
    ),
    'timm XCiT': (
        {
            'type': 'TIMMBackbone',
            'model_name': 'xcit_nano_12_p16_224',
            'embed_dim': 24,
            'depth': 1,
            'num_heads': 2,
        },
        (48, 80),
        (3, 5),
        24,
    ),
}
# families whose view is the class token; the view of the others is the mean of the map
CLASS_TOKEN = ('dinomm ViT', 'mmpretrain ViT', 'timm ViT', 'timm XCiT')


def build(config):
    backbone = MODELS.build({'_scope_': 'dinomm', **config})
    nn.Module.train(backbone, False)
    for name, parameter in backbone.named_parameters():
        if parameter.ndim > 1 and parameter.std() == 0:  # class tokens, registers, positions
            nn.init.normal_(parameter, std=0.02)
        elif 'gamma' in name:  # layer scale next to zero would hide the blocks
            nn.init.ones_(parameter)
    return backbone


@pytest.mark.parametrize('family', FAMILIES)
@torch.no_grad()
def test_shapes_order_and_width(family):
    config, (height, width), grid, channels = FAMILIES[family]
    backbone = build(config)
    images = torch.randn(2, 3, height, width)
    tokens = encode(backbone, images)
    num_regions = grid[0] * grid[1]
    assert tokens.grid == grid
    assert tokens.view.shape[0] == 2
    assert tokens.region.shape == (2, num_regions, tokens.view.shape[1])
    assert width_of(backbone) == channels
    assert channels in (None, tokens.view.shape[1])


@pytest.mark.parametrize('family', [name for name in FAMILIES if 'ViT' in name or 'XCiT' in name])
@torch.no_grad()
def test_token_sequences_are_row_major(family):
    config, (height, width), grid, _ = FAMILIES[family]
    backbone = build(config)
    images = torch.randn(8, 3, height, width)

    def change(rows=slice(None), columns=slice(None)):
        changed = images.clone()
        changed[..., rows, columns] *= -4
        difference = encode(backbone, changed).region - encode(backbone, images).region
        return difference.norm(dim=-1).mean(0).unflatten(0, grid)

    by_row = change(rows=slice(height // grid[0])).mean(1)
    assert by_row[0] > 3 * by_row[-1]
    by_column = change(columns=slice(-(width // grid[1]), None)).mean(0)
    assert by_column[-1] > 3 * by_column[0]


@pytest.mark.parametrize('family', FAMILIES)
@torch.no_grad()
def test_view_is_class_token_or_mean(family):
    config, size, grid, _ = FAMILIES[family]
    backbone = build(config)
    images = torch.randn(2, 3, *size)
    tokens = encode(backbone, images)
    output = backbone(images)[-1]
    if family in CLASS_TOKEN:
        torch.testing.assert_close(tokens.view, output[:, 0])
        torch.testing.assert_close(tokens.region, output[:, 1:])
    else:
        torch.testing.assert_close(tokens.view, tokens.region.mean(1))
        channels_last = output.shape[-1] == tokens.view.shape[1] and output.ndim == 4
        if output.ndim == 4 and not channels_last:
            output = output.permute(0, 2, 3, 1)
        if output.ndim == 4:
            torch.testing.assert_close(tokens.region.unflatten(1, grid), output)


@pytest.mark.parametrize('patch', [16, 8])
@torch.no_grad()
def test_xcit_gives_class_token_and_patches_at_both_sizes(patch):
    backbone = build(
        {
            'type': 'TIMMBackbone',
            'model_name': f'xcit_small_12_p{patch}_224',
            'embed_dim': 24,
            'depth': 1,
            'num_heads': 2,
        }
    )
    for size in (224, 96):
        images = torch.randn(1, 3, size, size)
        tokens = encode(backbone, images)
        assert tokens.grid == (size // patch, size // patch)
        assert tokens.region.shape == (1, (size // patch) ** 2, 24)
        class_token = backbone.timm_model.forward_features(images)[:, 0]
        torch.testing.assert_close(tokens.view, class_token)


@torch.no_grad()
def test_regions_of_a_vit_are_its_feature_map():
    config = FAMILIES['mmpretrain ViT'][0]
    backbone, mapped = build(config), build(config | {'out_type': 'featmap'})
    mapped.load_state_dict(backbone.state_dict())
    images = torch.randn(1, 3, 48, 80)
    expected = mapped(images)[-1].permute(0, 2, 3, 1)
    torch.testing.assert_close(encode(backbone, images).region.unflatten(1, (3, 5)), expected)


@pytest.mark.parametrize('out_type', ['cls_token', 'featmap', 'avg_featmap'])
def test_another_out_type_names_the_key(out_type):
    backbone = build(FAMILIES['mmpretrain ViT'][0] | {'out_type': out_type})
    with pytest.raises(ValueError, match=r"model\.backbone\.out_type.*set it to 'raw'"):
        encode(backbone, torch.randn(1, 3, 64, 64))


class Pooled(nn.Module):
    def forward(self, images):
        return images.mean((2, 3))


def test_unknown_output_is_an_error():
    with pytest.raises(ValueError, match=r'model\.backbone of type Pooled.*\(2, 3\)'):
        encode(Pooled(), torch.randn(2, 3, 8, 8))
    assert width_of(Pooled()) is None


def test_timm_model_that_pools_is_an_error():
    config = {
        'type': 'TIMMBackbone',
        'model_name': 'deit_tiny_distilled_patch16_224',
        'embed_dim': 24,
        'depth': 1,
        'num_heads': 2,
        'img_size': 32,
    }
    with pytest.raises(ValueError, match='model_name'):
        encode(build(config), torch.randn(1, 3, 32, 32))


@pytest.mark.parametrize('unknown', [1, 3])  # 3 x 3 patches and 3 more tokens look like 3 x 4
def test_timm_tokens_that_are_no_grid_are_an_error(unknown):
    backbone = build(FAMILIES['timm ViT'][0])
    backbone.timm_model.register_forward_hook(
        lambda _module, _args, output: torch.cat([output[:, :unknown], output], dim=1)
    )
    with pytest.raises(ValueError, match='no grid'):
        encode(backbone, torch.randn(1, 3, 48, 48))


def test_views_are_joined_in_order():
    first, second = torch.randn(2, 5), torch.randn(3, 5)
    groups = [Tokens(view, view[:, None], (1, 1)) for view in (first, second)]
    assert torch.equal(views(groups), torch.cat([first, second]))


# ---- masks and groups

MASKING = {
    'ViT': FAMILIES['dinomm ViT'][0] | {'mask_token': True, 'num_registers': 2},
    'packed ViT': FAMILIES['dinomm ViT'][0] | {'mask_token': True, 'pack': True},
    'Swin': FAMILIES['mmpretrain Swin'][0] | {'type': 'FastSwinTransformer', 'mask_token': True},
}


@pytest.mark.parametrize('family', MASKING)
@torch.no_grad()
def test_masks_stand_for_cells_of_the_regions(family):
    backbone = build(MASKING[family])
    images = torch.randn(2, 3, 64, 96)
    grid = backbone.mask_grid(64, 96)
    assert encode(backbone, images).grid == grid
    masks = torch.zeros(2, *grid, dtype=torch.bool)
    masks[1, 1, 2] = True
    nn.init.normal_(backbone.mask_token)
    changed = encode(backbone, images, masks=masks).region - encode(backbone, images).region
    distance = changed.norm(dim=-1).unflatten(1, grid)
    assert not distance[0].any()
    assert distance[1, 1, 2] == distance.max() > 0
    view = encode(backbone, images, regions=False, masks=masks).view
    torch.testing.assert_close(view, encode(backbone, images, masks=masks).view)


@pytest.mark.parametrize('family', [*MASKING, 'mmpretrain ViT', 'timm ViT', 'mmpretrain ResNet'])
@torch.no_grad()
def test_groups_are_encoded_as_one_by_one(family):
    backbone = build(MASKING.get(family) or FAMILIES[family][0])
    groups = [torch.randn(2, 3, 64, 64), torch.randn(3, 3, 32, 64)]
    masks = [None, None]
    if family in MASKING:
        masks[0] = torch.rand(2, *backbone.mask_grid(64, 64)) < 0.5
        nn.init.normal_(backbone.mask_token)
    found = encode_groups(backbone, groups, [True, False], masks)
    for tokens, *arguments in zip(found, groups, [True, False], masks, strict=True):
        expected = encode(backbone, *arguments)
        assert tokens.grid == expected.grid
        torch.testing.assert_close(tokens.view, expected.view, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(tokens.region, expected.region, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    'family', ['dinomm ViT', 'mmpretrain Swin', 'timm ViT', 'mmpretrain ResNet']
)
def test_a_backbone_that_cannot_mask_is_named(family):
    backbone, masks = build(FAMILIES[family][0]), torch.zeros(1, 4, 4, dtype=torch.bool)
    name = type(backbone).__name__
    words = (
        rf'model\.backbone of type {name} cannot mask.*FastSwinTransformer, with mask_token=True'
    )
    with pytest.raises(ValueError, match=words):
        encode_groups(backbone, [torch.randn(1, 3, 64, 64)], [True], [masks])
    if family == 'dinomm ViT':
        backbone.pack = True
        with pytest.raises(ValueError, match='mask_token=True'):
            encode_groups(backbone, [torch.randn(1, 3, 64, 64)] * 2, [True] * 2, [masks, None])
