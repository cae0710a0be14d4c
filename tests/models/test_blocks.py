import pytest
import torch
from torch import nn

from dinomm.models.backbones import speed_up
from dinomm.models.blocks import block_features, num_blocks
from dinomm.registry import MODELS
from dinomm.verification.dino import tensors
from dinomm.verification.esvit import swin_config

VIT = dict(
    arch=dict(embed_dims=24, num_layers=3, num_heads=2, feedforward_channels=48),
    img_size=16,
    patch_size=4,
)


def built(**config):
    backbone = MODELS.build(config)
    nn.Module.train(backbone, False)
    return backbone


def test_class_tokens_of_the_last_blocks_are_normed_and_the_patches_averaged():
    backbone = built(type='dinomm.DINOVisionTransformer', **VIT)
    images = torch.randn(2, 3, 16, 16)
    found = block_features(backbone, images, 2)
    before, last = backbone.last_blocks(images, 2)
    torch.testing.assert_close(found.blocks, [before[:, 0], last[:, 0]])
    torch.testing.assert_close(found.patches, last[:, 1:].mean(1))
    assert not any(layer._forward_hooks for layer in backbone.layers)


def test_mmpretrains_and_timms_vit_are_read_alike():
    from dinomm.checkpoints.dino import vit_name

    ours = built(type='mmpretrain.VisionTransformer', out_type='raw', **VIT)
    model = dict(img_size=16, patch_size=4, embed_dim=24, depth=3, num_heads=2, mlp_ratio=2)
    theirs = built(type='mmpretrain.TIMMBackbone', model_name='vit_tiny_patch16_224', **model)
    state = ours.state_dict()
    names = [name.removeprefix('timm_model.') for name in theirs.state_dict()]
    theirs.load_state_dict({f'timm_model.{name}': state[vit_name(name)] for name in names})
    images = torch.randn(2, 3, 16, 16)
    expected, found = block_features(ours, images, 3), block_features(theirs, images, 3)
    torch.testing.assert_close(found.blocks, expected.blocks, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.patches, expected.patches, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ('config', 'widths'),
    [
        (dict(type='mmpretrain.SwinTransformer', arch='tiny'), [384, 384, 768, 768]),
        (dict(type='mmpretrain.SwinTransformer', arch='base'), [512, 512, 1024, 1024]),
        (dict(type='dinomm.DINOVisionTransformer', arch='deit-small'), [384] * 4),
        (dict(type='mmpretrain.ResNet', depth=50), [2048]),
    ],
)
def test_published_widths(config, widths):
    backbone = built(**config)
    last = min(4, num_blocks(backbone))
    with torch.no_grad():
        found = block_features(backbone, torch.randn(1, 3, 224, 224), last)
    assert [part.shape[1] for part in found.blocks] == widths
    total = sum(widths)
    assert total in (2304, 3072, 1536, 2048)
    assert (found.patches is None) == ('deit-small' not in config.values())


def test_only_the_last_stages_blocks_of_a_swin_pass_the_norm(golden):
    import numpy as np

    arrays = np.load(golden / 'esvit_swin.npz')
    config = swin_config(tensors(arrays, 'w/'), 112)
    backbone = speed_up(built(**config))
    nn.Module.train(backbone, False)
    with torch.no_grad():
        backbone.norm3.weight.zero_()
        backbone.norm3.bias.fill_(7.0)
        found = block_features(backbone, torch.randn(1, 3, 112, 112), 3)
    in_last_stage = len(backbone.stages[-1].blocks)
    normed = [bool((part == 7).all()) for part in found.blocks]
    assert normed == [False] * (3 - in_last_stage) + [True] * in_last_stage
    assert 0 < in_last_stage < 3


def test_more_blocks_than_there_are():
    backbone = built(type='mmpretrain.ResNet', depth=18)
    with pytest.raises(ValueError, match=r'2 blocks were asked for.*1 to 1'):
        block_features(backbone, torch.randn(1, 3, 32, 32), 2)
