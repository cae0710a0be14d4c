import pytest
import torch
from torch.nn import functional as F

from dinomm.models import SimpleFeaturePyramid


def test_levels_of_strides_4_to_64():
    neck = SimpleFeaturePyramid(8, 6)
    levels = neck((torch.randn(2, 8, 6, 10),))
    sizes = [(24, 40), (12, 20), (6, 10), (3, 5), (2, 3)]
    assert [tuple(level.shape) for level in levels] == [(2, 6, *size) for size in sizes]
    assert torch.equal(levels[4], levels[3][..., ::2, ::2])


def test_the_level_of_the_map_itself():
    """1x1 convolution, norm, 3x3 convolution, norm; the maximum of 2x2 goes before on the next."""
    neck = SimpleFeaturePyramid(8, 6)
    features = torch.randn(1, 8, 4, 4)
    _, narrow, norm1, smooth, norm2 = neck.levels[2]

    def by_hand(x):
        x = F.conv2d(x, narrow.weight)
        x = F.layer_norm(x.permute(0, 2, 3, 1), (6,), norm1.weight, norm1.bias, 1e-6)
        x = F.conv2d(x.permute(0, 3, 1, 2), smooth.weight, padding=1)
        x = F.layer_norm(x.permute(0, 2, 3, 1), (6,), norm2.weight, norm2.bias, 1e-6)
        return x.permute(0, 3, 1, 2)

    levels = neck(features)
    assert torch.allclose(levels[2], by_hand(features), atol=1e-6)
    neck.levels[3].load_state_dict(neck.levels[2].state_dict())
    assert torch.allclose(neck(features)[3], by_hand(F.max_pool2d(features, 2)), atol=1e-6)


def test_every_parameter_learns_and_a_tensor_is_taken_too():
    neck = SimpleFeaturePyramid(8, 6, num_outs=4)
    levels = neck(torch.randn(1, 8, 4, 4))
    assert len(levels) == 4
    sum(level.pow(3).sum() for level in levels).backward()
    assert all(p.grad is not None and p.grad.any() for p in neck.parameters())


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(in_channels=6), 'in_channels is 6'),
        (dict(in_channels=8, num_outs=6), 'num_outs is 6'),
        (dict(in_channels=8, num_outs=5, start_level=1), 'num_outs is 5: expected 1 to 4'),
        (dict(in_channels=8, start_level=4), 'start_level is 4'),
    ],
)
def test_wrong_numbers(options, message):
    with pytest.raises(ValueError, match=message):
        SimpleFeaturePyramid(**options)


def test_a_coarser_pyramid_is_a_part_of_the_whole():
    whole, part = SimpleFeaturePyramid(8, 6), SimpleFeaturePyramid(8, 6, num_outs=3, start_level=1)
    part.levels.load_state_dict(
        {
            f'{int(name[0]) - 1}{name[1:]}': weight
            for name, weight in whole.levels.state_dict().items()
            if name[0] != '0'
        }
    )
    features = torch.randn(1, 8, 4, 4)
    for ours, theirs in zip(part(features), whole(features)[1:4], strict=True):
        assert torch.equal(ours, theirs)
    assert len(SimpleFeaturePyramid(8, 6, num_outs=2, start_level=3)(features)) == 2
