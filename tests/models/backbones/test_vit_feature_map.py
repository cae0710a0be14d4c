import pytest
import torch

from dinomm.models import DINOVisionTransformer, ViTFeatureMap

SETTINGS = dict(
    arch=dict(embed_dims=12, num_layers=2, num_heads=2, feedforward_channels=24),
    img_size=32,
    patch_size=8,
)


@pytest.mark.parametrize('size', [(32, 32), (64, 40), (30, 50)])
def test_the_map_is_the_patch_tokens_in_their_places(size):
    vit, backbone = DINOVisionTransformer(**SETTINGS), ViTFeatureMap(**SETTINGS)
    vit.init_weights()
    backbone.load_state_dict(vit.state_dict())
    images = torch.randn(2, 3, *size)
    (tokens,) = vit(images)
    (feature_map,) = backbone(images)
    rows, columns = -(-size[0] // 8), -(-size[1] // 8)
    assert feature_map.shape == (2, 12, rows, columns) and feature_map.is_contiguous()
    for row, column in ((0, 0), (rows - 1, 1), (1, columns - 1)):
        token = tokens[:, 1 + row * columns + column]
        assert torch.equal(feature_map[:, :, row, column], token)


def test_blocks_are_frozen_with_the_embedding():
    backbone = ViTFeatureMap(**SETTINGS, frozen_stages=1)
    free = {name for name, p in backbone.named_parameters() if p.requires_grad}
    assert free == {n for n, _ in backbone.named_parameters() if n.startswith(('layers.1', 'ln1'))}
