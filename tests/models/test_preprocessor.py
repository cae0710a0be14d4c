import pytest
import torch

from dinomm.datasets.transforms.raw_view import RawView, pack_steps
from dinomm.models.photometric import recolor_batch
from dinomm.models.preprocessor import IMAGENET_MEAN, IMAGENET_STD, MultiCropPreprocessor


def random_views(*sizes, batch=2, dtype=torch.uint8):
    views = [torch.randint(256, (batch, 3, size, size), dtype=torch.uint8) for size in sizes]
    return [view.to(dtype) for view in views]


def normalised(images):
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    return (images.double() - mean) / std


@pytest.mark.parametrize('dtype', [torch.uint8, torch.float32])
def test_equal_consecutive_sizes_are_joined_view_major(dtype):
    views = random_views(8, 8, 4, 8, dtype=dtype)
    kept = [view.clone() for view in views]
    samples = object()
    out = MultiCropPreprocessor()({'inputs': views, 'data_samples': samples})
    groups = out['inputs']
    assert [group.num_views for group in groups] == [2, 1, 1]
    expected = [torch.cat(kept[:2]), kept[2], kept[3]]
    for group, images in zip(groups, expected, strict=True):
        assert group.images.dtype == torch.float32
        torch.testing.assert_close(group.images.double(), normalised(images), atol=1e-5, rtol=1e-5)
    assert out['data_samples'] is samples
    assert all(torch.equal(view, before) for view, before in zip(views, kept, strict=True))


def test_channels_that_lie_innermost_are_brought_into_the_models_order():
    view = torch.randint(256, (2, 8, 8, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
    (group,) = MultiCropPreprocessor()({'inputs': [view], 'data_samples': None})['inputs']
    assert group.images.is_contiguous()
    torch.testing.assert_close(group.images.double(), normalised(view), atol=1e-5, rtol=1e-5)


def test_a_single_float_view_is_not_written_to():
    (view,) = random_views(8, dtype=torch.float32)
    before = view.clone()
    MultiCropPreprocessor()({'inputs': [view], 'data_samples': None})
    assert torch.equal(view, before)


def test_same_height_alone_does_not_join():
    views = [torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 6)]
    groups = MultiCropPreprocessor()({'inputs': views, 'data_samples': None})['inputs']
    assert [tuple(group.images.shape) for group in groups] == [(1, 3, 8, 8), (1, 3, 8, 6)]


CHAINS = [[('saturation', 0.8), ('brightness', 1.2)], [], [('gray', 1), ('solarize', 128)]]


def test_raw_views_are_recolored_before_they_are_normalised():
    """Views with chains of different lengths, among them one that is not raw."""
    chains = (CHAINS, [[], [], []], [*CHAINS[:2], [*CHAINS[0], ('hue', 0.1)]], CHAINS)
    views = random_views(16, 16, 16, 8, batch=3)
    kept = [view.clone() for view in views]
    inputs = [
        RawView(view, pack_steps(steps)) if any(steps) else view
        for view, steps in zip(views, chains, strict=True)
    ]
    groups = MultiCropPreprocessor()({'inputs': inputs, 'data_samples': None})['inputs']
    assert [group.num_views for group in groups] == [3, 1]
    assert all(map(torch.equal, views, kept))
    expected = [view.float() for view in views]
    for images, steps in zip(expected, chains, strict=True):
        recolor_batch(images, pack_steps(steps))
    for group, images in zip(groups, (torch.cat(expected[:3]), expected[3]), strict=True):
        assert group.images.dtype == torch.float32
        torch.testing.assert_close(group.images.double(), normalised(images), atol=1e-5, rtol=1e-5)


def test_channels_must_agree():
    with pytest.raises(ValueError, match=r'1 channels.*data_preprocessor\.mean has 3'):
        MultiCropPreprocessor()({'inputs': [torch.zeros(2, 1, 8, 8)], 'data_samples': None})


@pytest.mark.parametrize('std', [(1.0, 1.0), (1.0, 0.0, 1.0)])
def test_mean_and_std_are_checked(std):
    with pytest.raises(ValueError, match='data_preprocessor: mean and std'):
        MultiCropPreprocessor(mean=(0.0, 0.0, 0.0), std=std)


def test_its_buffers_are_in_no_checkpoint():
    assert not MultiCropPreprocessor().state_dict()
