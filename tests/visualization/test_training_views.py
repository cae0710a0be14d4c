import cv2
import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from dinomm.visualization.training_views import views_of_files, views_of_training_images


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name in 'abcde':
        coarse = rng.integers(0, 256, (6, 9, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((90, 60)).save(tmp_path / f'{name}.png')
    return tmp_path


def config(folder, **options):
    views = [dict(size=32, scale=(0.4, 1), num=2, **options), dict(size=16, scale=(0.1, 0.4))]
    pipeline = [
        dict(type='LoadImage', deferred=True),
        dict(type='MultiCrop', views=views),
        dict(type='PackViews'),
    ]
    dataset = dict(type='ImageFiles', root=str(folder), pipeline=pipeline)
    return Config(dict(train_dataloader=dict(dataset=dataset)))


def test_views_are_cut_from_their_boxes(folder):
    found = views_of_files(config(folder, flip=0.5), [folder / 'b.png', folder / 'a.png'])
    assert [image.shape for image in found.images] == [(60, 90, 3)] * 2
    with Image.open(folder / 'b.png') as image:
        assert (found.images[0] == np.asarray(image)).all()
    for image, views, boxes, flips in zip(*found, strict=True):
        assert [view.shape[0] for view in views] == [32, 32, 16]
        for view, (y, x, height, width), flip in zip(views, boxes, flips, strict=True):
            cut = cv2.resize(image[y : y + height, x : x + width], view.shape[:2])
            cut = cut[:, ::-1] if flip else cut
            assert np.abs(cut.astype(int) - view).mean() < 12


def test_seeds(folder):
    files = [folder / 'a.png']
    boxes = [views_of_files(config(folder), files, seed).boxes for seed in (0, 0, 1)]
    assert boxes[0] == boxes[1] != boxes[2]


def test_colours_that_are_left_to_the_device(folder):
    options = {'gray': 1.0, 'solarize': dict(prob=1.0, threshold=99)}
    usual, raw = config(folder, **options), config(folder, **options)
    raw.train_dataloader.dataset.pipeline[1].recolor_on_device = True
    paths = [folder / 'a.png']
    for one, other in zip(
        views_of_files(usual, paths).views[0], views_of_files(raw, paths).views[0], strict=True
    ):
        assert (one == other).all()


def test_the_configs_own_images(folder):
    found = views_of_training_images(config(folder), number=2)
    ends = [np.asarray(Image.open(folder / f'{name}.png')) for name in 'ae']
    for image, end in zip(found.images, ends, strict=True):
        assert (image == end).all()
    assert len(views_of_training_images(config(folder), number=9).images) == 5


def test_a_pipeline_without_views(folder):
    for broken in (Config({}), config(folder)):
        if 'train_dataloader' in broken:
            del broken.train_dataloader.dataset.pipeline[1]
        with pytest.raises(ValueError, match='has no MultiCrop'):
            views_of_files(broken, [folder / 'a.png'])
