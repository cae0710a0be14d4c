import pytest
import torch

from dinomm.checkpoints.backbone import backbone_weights
from dinomm.checkpoints.positions import adapt_positions
from dinomm.registry import MODELS


def vit(size=16, **options):
    config = dict(
        type='dinomm.DINOVisionTransformer',
        arch=dict(embed_dims=24, num_layers=1, num_heads=2, feedforward_channels=48),
        img_size=size,
        patch_size=4,
        **options,
    )
    backbone = MODELS.build(config)
    backbone.init_weights()
    return backbone


@pytest.mark.parametrize('options', [{}, {'num_registers': 2, 'position_antialias': True}])
def test_the_resized_table_gives_what_the_network_gave_at_that_size(options):
    small, large = vit(16, position_offset=0.0, **options), vit(32, position_offset=0.0, **options)
    state = small.state_dict()
    said = adapt_positions(large, state)
    assert said == 'pos_embed resized from (1, 17, 24) to (1, 65, 24)'
    large.load_state_dict(state)
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(large(images)[-1], small(images)[-1])
    assert small.state_dict()['pos_embed'].shape == (1, 17, 24)


def test_what_needs_no_resizing_stays():
    same, rotary = vit().state_dict(), vit(positions='rotary')
    for backbone, state in (
        (vit(), dict(same)),
        (rotary, dict(same)),
        (vit(32), rotary.state_dict()),
        (MODELS.build(dict(type='mmpretrain.ResNet', depth=18)), dict(same)),
        (vit(32), {'pos_embed': torch.zeros(1, 17, 12)}),  # another width is another network
    ):
        before = dict(state)
        assert adapt_positions(backbone, state) == ''
        assert all(state[name] is before[name] for name in before)


def test_a_table_without_a_square_grid_is_refused():
    with pytest.raises(ValueError, match=r'pos_embed.*no square grid'):
        adapt_positions(vit(32), {'x.pos_embed': torch.zeros(1, 8, 24)}, 'x.')


def test_weights_to_go_on_from_are_fitted():
    small, large = vit(16, position_offset=0.0), vit(32, position_offset=0.0, mask_token=True)
    with torch.no_grad():
        large.mask_token.fill_(3)
    with pytest.raises(ValueError, match='another network'):
        backbone_weights(large, small.state_dict(), 'x')
    found = backbone_weights(large, small.state_dict(), 'x', adapt=True)
    assert set(found) == set(large.state_dict())
    assert (found['mask_token'] == 3).all()
    assert torch.equal(found['pos_embed'], large.resized_positions(small.pos_embed))
    with pytest.raises(ValueError, match='has no weight of model'):
        backbone_weights(large, torch.nn.Linear(2, 2).state_dict(), 'x', adapt=True)
