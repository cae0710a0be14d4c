import numpy as np
import pytest
import torch
from PIL import Image

from dinomm.benchmark import augment
from dinomm.benchmark.plain_views import PlainViews
from dinomm.datasets.transforms.raw_view import RawView


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    return augment.write_photographs(tmp_path_factory.mktemp('photographs'))


def test_photographs_are_jpegs_of_the_usual_size(files):
    assert len(set(files)) == 18
    for file in files:
        with Image.open(file) as image:
            assert image.format == 'JPEG' and image.width == 500 and 280 < image.height <= 376


def test_the_published_pipeline_gives_normalised_views(files):
    views = PlainViews(list(map(str, files)))[0]
    assert [tuple(view.shape) for view in views] == [(3, 224, 224)] * 2 + [(3, 96, 96)] * 8
    for view in views:
        assert view.dtype == torch.float32 and -2.2 < view.min() < view.max() < 2.7


def test_both_loaders_give_batches_of_the_same_views(files):
    size = augment.AugmentSize(images=4, batch=2, workers=0)
    paths = list(map(str, files[:4]))
    ours = augment.dinomm_views(write_list(files[:4]))
    batches = list(augment.dinomm_batches(ours, size, normalised=True))
    plain = list(augment.plain_batches(PlainViews(paths), size))
    assert len(batches) == len(plain) == 2
    for ours, theirs in zip(batches, plain, strict=True):
        groups = [group.images for group in ours['inputs']]
        assert [len(group) for group in groups] == [2 * 2, 8 * 2]
        for group, same_size in zip(groups, (theirs[:2], theirs[2:]), strict=True):
            assert group.dtype == torch.float32 and group.shape == torch.cat(same_size).shape
            assert -2.2 < group.min() < -1 and 1 < group.max() < 2.7


def test_the_device_part_is_timed_on_raw_and_on_finished_views(files, monkeypatch):
    seen = []
    forward = augment.MultiCropPreprocessor.forward
    monkeypatch.setattr(
        augment.MultiCropPreprocessor,
        'forward',
        lambda self, data: seen.append(type(data['inputs'][0])) or forward(self, data),
    )
    listing = write_list(files[:2])
    pipelines = {'raw': augment.dinomm_views(listing, True), 'done': augment.dinomm_views(listing)}
    size = augment.AugmentSize(batch=2, rounds=1)
    times = augment.compare_preprocessing(pipelines, size)
    assert seen == [RawView, torch.Tensor] * 2
    assert times['raw'] > times['done'] > 0


def write_list(files):
    listing = files[0].parent / 'list.txt'
    listing.write_text('\n'.join(map(str, files)))
    return listing


def test_ratios_are_of_the_same_round():
    speeds = iter([4.0, 2.0, 9.0, 3.0, 8.0, 1.0])
    result = augment.compare_in_turns(
        {'dinomm': lambda: next(speeds), 'published': lambda: next(speeds)}, 3
    )
    assert result['images_per_s'] == {'dinomm': 8.0, 'published': 2.0}
    assert result['ratios'] == [2.0, 3.0, 8.0] and result['ratio'] == 3.0


def test_too_few_images_are_refused():
    with pytest.raises(ValueError, match='at least 512'):
        augment.compare_pipelines(augment.AugmentSize(images=100), print)


def test_time_samples_counts_every_image():
    seen = []

    class Numbers:
        def __len__(self):
            return 5

        def __getitem__(self, index):
            seen.append(index)

    assert np.isfinite(augment.time_samples(Numbers(), 5))
    assert seen == [0, 0, 1, 2, 3, 4]
