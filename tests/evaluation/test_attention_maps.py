import numpy as np
import pytest
import torch
from torch import nn

from dinomm.evaluation.attention_maps import attention_maps
from dinomm.models.backbones.swin_attention import last_windows
from dinomm.registry import MODELS
from dinomm.verification.dino import build_vit, tensors

from .networks import BACKBONES, network


@pytest.fixture
def published(golden):
    arrays = np.load(golden / 'dino_vit.npz')
    backbone = build_vit(tensors(arrays, 'w/'), 32, arrays['attention_native'].shape[1])
    nn.Module.train(backbone, False)
    return backbone, arrays


@pytest.mark.parametrize('size', ['native', 'small', 'rect'])
def test_published_attention(published, size):
    backbone, arrays = published
    images = torch.from_numpy(arrays[f'x_{size}'])
    grid = tuple(side // 8 for side in images.shape[-2:])
    expected = torch.from_numpy(arrays[f'attention_{size}'])
    found = attention_maps(backbone, images)
    torch.testing.assert_close(found, expected[:, :, 0, 1:].unflatten(-1, grid), rtol=0, atol=1e-4)
    for row, column in np.ndindex(grid):
        query = ((column + 0.5) / grid[1], (row + 0.9) / grid[0])
        found = attention_maps(backbone, images, query)
        cell = 1 + row * grid[1] + column
        torch.testing.assert_close(
            found, expected[:, :, cell, 1:].unflatten(-1, grid), rtol=0, atol=1e-4
        )


def test_without_a_class_token_all_patches_look():
    backbone = MODELS.build({**BACKBONES['vit'], 'with_cls_token': False, '_scope_': 'dinomm'})
    images = torch.randn(2, 3, 32, 48)
    expected = backbone.last_attention(images).mean(2).unflatten(-1, (4, 6))
    torch.testing.assert_close(attention_maps(backbone, images), expected)
    torch.testing.assert_close(expected.sum((-2, -1)), torch.ones(2, 3))


def by_definition(backbone, images, query):
    """Window by window, from the numbers that the block makes."""
    attention, layout, (height, width) = last_windows(backbone, images)
    places = attention.shape[-1]
    maps = torch.zeros(len(images), attention.shape[2], height * width)
    token_at = {int(place): token for token, place in enumerate(layout.tokens)}
    asked = int(query[1] * height) * width + int(query[0] * width) if query else None
    for window in range(attention.shape[1]):
        tokens = [token_at.get(window * places + p) for p in range(places)]
        real = [p for p, token in enumerate(tokens) if token is not None]
        looking = [p for p in real if asked is None or tokens[p] == asked]
        for place in real if looking else ():
            maps[..., tokens[place]] = attention[:, window, :, looking, place].mean(-1)
    return maps.unflatten(-1, (height, width))


@pytest.mark.parametrize('size', [(64, 64), (128, 128), (96, 160)])
@pytest.mark.parametrize('query', [None, (0.1, 0.2), (0.99, 0.99)])
def test_windows_of_swin(size, query):
    backbone = network('swin').backbone
    images = torch.randn(2, 3, *size)
    found = attention_maps(backbone, images, query)
    assert found.shape == (2, 4, size[0] // 32, size[1] // 32)
    torch.testing.assert_close(found, by_definition(backbone, images, query))
    if query is None and not any(side // 32 % 2 for side in size):
        windows = size[0] * size[1] // 64**2
        torch.testing.assert_close(found.sum((-2, -1)), torch.full((2, 4), float(windows)))


def test_faults():
    images = torch.zeros(1, 3, 32, 32)
    with pytest.raises(ValueError, match='ResNet gives no attention'):
        attention_maps(network('resnet').backbone, images)
    for query in ((1.0, 0.5), (0.5, -0.1)):
        with pytest.raises(ValueError, match='shares of width and height'):
            attention_maps(network('vit').backbone, images, query)
