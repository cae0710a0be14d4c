import numpy as np
import pytest
import torch
from mmengine.registry import FUNCTIONS
from mmpretrain.structures import DataSample

from dinomm.datasets import PackViews, SampleKey, collate_views
from dinomm.datasets.transforms.raw_view import RawView, pack_steps


def results(sizes=(4, 4, 2), **extra):
    views = [
        np.random.default_rng(i).integers(0, 256, (size, size, 3), dtype=np.uint8)
        for i, size in enumerate(sizes)
    ]
    return dict(
        views=views,
        boxes=np.arange(4 * len(sizes)).reshape(-1, 4),
        flips=np.zeros(len(sizes), bool),
        img_path='a.png',
        sample_key=SampleKey(1, 2, 3),
        **extra,
    )


def test_views_become_tensors_of_the_same_memory():
    given = results()
    packed = PackViews()(given)
    for view, tensor in zip(given['views'], packed['inputs'], strict=True):
        assert tensor.dtype == torch.uint8 and tensor.shape == (3, *view.shape[:2])
        assert np.array_equal(tensor.permute(1, 2, 0).numpy(), view)
        assert tensor.data_ptr() == view.ctypes.data


def test_sample_carries_what_is_known():
    sample = PackViews()(results(gt_label=7))['data_samples']
    assert isinstance(sample, DataSample)
    assert sample.gt_label.tolist() == [7]
    assert sample.img_path == 'a.png'
    assert sample.boxes.shape == (3, 4) and sample.flips.shape == (3,)
    assert type(sample.sample_key) is tuple and sample.sample_key == (1, 2, 3)
    assert set(sample.metainfo_keys()) == {'img_path', 'boxes', 'flips', 'sample_key'}
    assert 'gt_label' not in PackViews()(results())['data_samples']


def test_collate_gives_a_batch_a_view():
    samples = [PackViews()(results()) for _ in range(5)]
    batch = collate_views(samples)
    assert [tuple(view.shape) for view in batch['inputs']] == [(5, 3, s, s) for s in (4, 4, 2)]
    for view in batch['inputs']:
        assert view.dtype == torch.uint8
        assert view.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(batch['inputs'][1][3], samples[3]['inputs'][1])
    assert batch['data_samples'] == [sample['data_samples'] for sample in samples]


def test_raw_views_stay_raw():
    drawn = [[('hue', 0.1), ('gray', 1)], [], [('blur', 0.5)]]
    samples = []
    for steps in (drawn, drawn[::-1]):
        given = results()
        given['views'] = [
            RawView(view, some) for view, some in zip(given['views'], steps, strict=True)
        ]
        samples.append(PackViews()(given))
    plain = collate_views([PackViews()(results()) for _ in range(2)])
    batch = collate_views(samples)
    for number, (raw, images) in enumerate(zip(batch['inputs'], plain['inputs'], strict=True)):
        assert isinstance(raw, RawView) and len(raw) == 2
        assert torch.equal(raw.images, images)
        assert raw.images.is_contiguous(memory_format=torch.channels_last)
        expected = pack_steps([drawn[number], drawn[::-1][number]])
        assert np.array_equal(raw.steps, expected)
    wrong = results((4, 4, 3))
    wrong['views'] = [RawView(view, []) for view in wrong['views']]
    with pytest.raises(ValueError, match=r'views of a\.png have the shapes'):
        collate_views([samples[0], PackViews()(wrong)])


def test_views_of_unequal_size_are_refused():
    samples = [PackViews()(results()), PackViews()(results((4, 4, 3)))]
    with pytest.raises(ValueError, match=r'views of a\.png have the shapes .*fixed size'):
        collate_views(samples)


def test_the_runner_finds_the_collate_function():
    assert FUNCTIONS.get('collate_views') is collate_views
