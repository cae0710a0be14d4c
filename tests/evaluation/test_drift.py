import numpy as np
import pytest
import torch

from dinomm.datasets import ImageFiles, MultiCrop
from dinomm.evaluation.drift import as_evaluated, cosine_distance, linear_cka, spread_batches
from tests.integration import tiny

VIEWS = [dict(size=16, scale=(0.4, 1.0), num=2), dict(size=8, scale=(0.1, 0.4))]
PIPELINE = [
    dict(type='LoadImage', deferred=True),
    dict(type='MultiCrop', views=VIEWS),
    dict(type='PackViews'),
]


def test_cosine_distance():
    start = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])
    assert float(cosine_distance(5 * start, start)) == pytest.approx(0, abs=1e-6)
    assert float(cosine_distance(-start, start)) == pytest.approx(2)
    turned = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    assert float(cosine_distance(turned, start)) == pytest.approx(2 / 3)


def test_linear_cka_is_that_of_the_paper():
    x, y = torch.randn(20, 5), torch.randn(20, 7)
    a, b = (rows - rows.mean(0) for rows in (x, y))
    expected = (b.T @ a).norm() ** 2 / ((a.T @ a).norm() * (b.T @ b).norm())
    assert float(linear_cka(x, y)) == pytest.approx(float(expected), rel=1e-5)
    turn, _ = torch.linalg.qr(torch.randn(5, 5))
    assert float(linear_cka(3 * x @ turn + 1, x)) == pytest.approx(1)
    assert float(linear_cka(x, torch.ones(20, 3))) == 0  # all features alike: finite


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    return ImageFiles(tiny.write_images(tmp_path_factory.mktemp('x') / 'y', 9), PIPELINE)


def test_training_images_as_an_evaluation_sees_them(images):
    first, again = (spread_batches(as_evaluated(images), 4, 3) for _ in range(2))
    assert [batch['inputs'][0].shape for batch in first] == [(3, 3, 16, 16), (1, 3, 16, 16)]
    places = [s.sample_key[2] for batch in first for s in batch['data_samples']]
    assert places == np.linspace(0, 8, 4).round().tolist()
    for one, two in zip(first, again, strict=True):
        assert len(one['inputs']) == 1 and torch.equal(one['inputs'][0], two['inputs'][0])
    # the training's own pipeline is as it was
    assert isinstance(images.pipeline[1], MultiCrop) and images.pipeline[0].deferred
    assert len(images[0]['inputs']) == 3


def test_fewer_images_than_asked_for(images):
    (batch,) = spread_batches(as_evaluated(images), 100, 50)
    assert len(batch['inputs'][0]) == 9


def test_images_that_nobody_crops():
    with pytest.raises(ValueError, match=r'no MultiCrop .* FeatureDriftHook\.dataset'):
        as_evaluated([1, 2])
