import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from dinomm.evaluation.attention_maps import attention_maps
from dinomm.evaluation.images import normalised
from dinomm.evaluation.whole_pictures import (
    attention_of,
    fit_to_patches,
    look_at,
    region_map,
    to_images,
    usual_size,
)
from dinomm.models.tokens import encode
from dinomm.registry import MODELS

from .networks import BACKBONES, network

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ('shape', 'size', 'expected'),
    [((60, 90), 48, (32, 48)), ((90, 60), 50, (48, 32)), ((4, 4000), 64, (8, 64))],
)
def test_whole_patches_of_nearly_the_pictures_shape(shape, size, expected):
    picture = RNG.integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert fit_to_patches(picture, network('vit').backbone, size).shape == (*expected, 3)


def test_a_network_of_maps_takes_every_size():
    picture = np.zeros((60, 90, 3), np.uint8)
    assert fit_to_patches(picture, network('resnet').backbone, 50).shape == (33, 50, 3)


def test_a_network_of_one_size_gets_it():
    settings = {**BACKBONES['timm-vit'], 'dynamic_img_size': False, '_scope_': 'dinomm'}
    backbone = MODELS.build(settings)
    config = Config({})
    assert usual_size(config, backbone) == 224
    assert usual_size(config, network('vit').backbone) == 448
    picture = fit_to_patches(np.zeros((60, 90, 3), np.uint8), backbone, 32)
    assert picture.shape == (32, 32, 3)
    with pytest.raises(ValueError, match=r'size is 40, but .* takes images of 32x32'):
        fit_to_patches(np.zeros((60, 90, 3), np.uint8), backbone, 40)
    assert backbone(torch.from_numpy(picture).permute(2, 0, 1)[None].float())


@pytest.mark.parametrize('family', ['vit', 'swin'])
def test_attention_with_and_without_bfloat16(family):
    frozen = network(family)
    picture = RNG.integers(0, 256, (64, 96, 3), dtype=np.uint8)
    exact = attention_of(frozen, picture)
    expected = attention_maps(frozen.backbone, to_images(frozen, picture))[0]
    assert exact == pytest.approx(expected.numpy()) and exact.dtype == np.float32
    frozen.amp = True
    rounded = attention_of(frozen, picture)
    assert rounded.dtype == np.float32 and (rounded != exact).any()
    assert rounded == pytest.approx(exact, rel=0.2, abs=1e-2)


@pytest.mark.parametrize('family', ['vit', 'swin', 'resnet', 'timm-vit'])
def test_regions_by_row_and_column(family):
    frozen = network(family)
    picture = RNG.integers(0, 256, (64, 96, 3), dtype=np.uint8)
    found = region_map(frozen, picture)
    with torch.no_grad():
        _, region, grid, _ = encode(frozen.backbone, to_images(frozen, picture))
    assert found.shape == (*grid, region.shape[-1])
    assert found[1, 2] == pytest.approx(region[0, grid[1] + 2].numpy(), abs=1e-5)


def test_normalised_as_in_evaluation(tmp_path):
    frozen = network('vit')
    Image.fromarray(RNG.integers(0, 256, (32, 48, 3), dtype=np.uint8)).save(tmp_path / 'a.png')
    picture = look_at(tmp_path / 'a.png', frozen.backbone, 48)
    expected = normalised(frozen, torch.from_numpy(picture).permute(2, 0, 1)[None])
    assert torch.equal(to_images(frozen, picture), expected)
    assert expected.shape == (1, 3, 32, 48)
