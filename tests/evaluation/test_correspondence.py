import numpy as np
import pytest
import torch

from dinomm.datasets import collate_views
from dinomm.datasets.samplers import SampleKey
from dinomm.datasets.transforms import PackViews
from dinomm.evaluation.correspondence import (
    AddMirroredView,
    best_pairs,
    match_regions,
    measure_correspondence,
    mirror,
    mirrored_correspondence,
)
from dinomm.models import SelfDistillation

GRID = (3, 4)


def one_hot_regions(images=2):
    return torch.eye(12).expand(images, 12, 12)


def test_mirror_reverses_the_columns():
    assert mirror((2, 3)).tolist() == [2, 1, 0, 5, 4, 3]


def test_match_is_the_region_of_largest_cosine_whatever_its_length():
    first = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    second = torch.tensor([[[9.0, 9.0], [0.5, 0.0], [0.0, -3.0]]])
    matches = match_regions(first, second)
    assert matches.region.tolist() == [[1, 0]]
    torch.testing.assert_close(matches.cosine, torch.tensor([[1.0, 0.5**0.5]]))


def test_cosine_is_of_float32_under_autocast():
    first, second = torch.randn(1, 5, 8), torch.randn(1, 5, 8)
    with torch.autocast('cpu', torch.bfloat16):
        matches = match_regions(first, second)
    torch.testing.assert_close(matches.cosine, match_regions(first, second).cosine)
    assert matches.cosine.dtype == torch.float32


def test_a_mirrored_map_corresponds_entirely():
    first = one_hot_regions()
    result = mirrored_correspondence(first, first[:, mirror(GRID)], GRID, (96, 128))
    assert result.accuracy.tolist() == [1, 1] and result.distance.tolist() == [0, 0]


def test_distance_is_between_centres_in_pixels():
    """Cells of 32 x 16 px; every region is found one row below and two columns beside the truth."""
    first = torch.eye(16).view(1, 16, 16)
    rolled = first[:, mirror((4, 4))].unflatten(1, (4, 4)).roll((1, 2), (1, 2)).flatten(1, 2)
    result = mirrored_correspondence(first, rolled, (4, 4), (128, 64), pairs=16)
    found = torch.arange(16).view(4, 4)
    rows = [32.0 if row < 3 else 96.0 for row in (found // 4).flatten()]
    expected = np.mean([np.hypot(row, 2 * 16) for row in rows])
    assert result.accuracy.item() == 0
    assert result.distance.item() == pytest.approx(expected, rel=1e-6)


def test_only_the_most_similar_pairs_count():
    """Three regions are found in the wrong cell, and with the smallest similarity."""
    first = one_hot_regions(1)
    second = first[:, mirror(GRID)].clone()
    second[0, [0, 1, 2]] = second[0, [1, 2, 0]] + 0.5
    of_all = mirrored_correspondence(first, second, GRID, (96, 128), pairs=12)
    of_best = mirrored_correspondence(first, second, GRID, (96, 128), pairs=9)
    assert of_all.accuracy.item() == pytest.approx(9 / 12)
    assert of_best.accuracy.item() == 1


def test_regions_must_fill_the_grid():
    with pytest.raises(ValueError, match='do not fill a grid of 2x2'):
        mirrored_correspondence(torch.eye(3)[None], torch.eye(3)[None], (2, 2), (8, 8))


def sample(index, size=32):
    picture = np.random.default_rng(index).integers(0, 256, (size, size, 3), dtype=np.uint8)
    return {
        'views': [picture],
        'boxes': np.array([[0, 0, size, size]]),
        'flips': np.array([False]),
        'img_path': str(index),
        'sample_key': SampleKey(0, 0, index),
    }


def test_second_view_is_mirrored_and_grey_and_drawn_by_the_key():
    added = [AddMirroredView()(sample(i)) for i in range(40)]
    jittered = 0
    for results in added:
        first, second = results['views']
        assert (second == second[..., :1]).all()
        assert results['flips'].tolist() == [False, True] and results['boxes'].shape == (2, 4)
        luma = first[:, ::-1] @ np.array([0.299, 0.587, 0.114])
        assert np.corrcoef(luma.ravel(), second[..., 0].ravel())[0, 1] > 0.6
        jittered += np.abs(luma - second[..., 0]).max() > 2
    assert 26 <= jittered <= 38  # .8 of 40
    again = AddMirroredView()(sample(3))['views'][1]
    np.testing.assert_array_equal(again, added[3]['views'][1])


VIT = dict(embed_dims=16, num_layers=1, num_heads=2, feedforward_channels=16)
SWIN = dict(embed_dims=4, depths=[1] * 4, num_heads=[1] * 4)
BACKBONES = {
    'vit': (dict(type='DINOVisionTransformer', arch=VIT, img_size=32, patch_size=8), 16, (4, 4)),
    'swin': (dict(type='SwinTransformer', arch=SWIN, pad_small_map=True), 32, (2, 2)),
    'resnet': (dict(type='ResNet', depth=18), 512, (2, 2)),
}


def build(backbone, width):
    head = dict(type='DINOHead', in_channels=width, num_prototypes=8, hidden_channels=8)
    model = SelfDistillation(backbone, dict(view=head))
    torch.nn.Module.train(model, False)
    return model


@pytest.mark.parametrize('name', BACKBONES)
def test_every_family_is_measured(name):
    backbone, width, grid = BACKBONES[name]
    size = 32 if name == 'vit' else 64
    model = build(backbone, width)
    samples = [PackViews()(AddMirroredView()(sample(i, size))) for i in range(5)]
    whole = measure_correspondence(model, [collate_views(samples)])
    parts = measure_correspondence(model, [collate_views(samples[:2]), collate_views(samples[2:])])
    assert whole['images'] == 5 and 0 <= whole['accuracy'] <= 1
    assert 0 <= whole['distance'] <= 2**0.5 * size
    assert parts == pytest.approx(whole)
    pairs = best_pairs(model, *samples[0]['inputs'])
    assert pairs.grid == grid and len(pairs.first) == min(10, grid[0] * grid[1])
    assert pairs.cosine == sorted(pairs.cosine, reverse=True)


def test_a_view_corresponds_with_itself():
    model = build(*BACKBONES['vit'][:2])
    view = torch.randint(0, 256, (3, 32, 32), dtype=torch.uint8)
    pairs = best_pairs(model, view, view)
    assert pairs.first == pairs.second and pairs.cosine[-1] == pytest.approx(1, abs=1e-5)
    assert pairs.closest[0] == pairs.closest[1]


def test_a_backbone_without_regions():
    model = build(*BACKBONES['resnet'][:2])
    view = torch.zeros(3, 32, 32, dtype=torch.uint8)  # 1x1 map
    with pytest.raises(ValueError, match='gives 1 regions an image'):
        best_pairs(model, view, view)
