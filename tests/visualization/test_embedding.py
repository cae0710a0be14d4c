import sys
import types

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from dinomm.visualization import embedding
from dinomm.visualization.embedding import embed, embedding_map

ROWS = np.random.default_rng(0).normal(size=(40, 7)) + np.arange(7)


def test_pca_of_directions_by_singular_values():
    found = embed(ROWS)
    rows = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)
    left, values, _ = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
    np.testing.assert_allclose(np.abs(found.points), np.abs(left * values)[:, :2], atol=1e-9)
    share = values[0] ** 2 / (values**2).sum()
    assert found.axes[0] == f'principal component 1 ({share:.0%} of the variance)'
    np.testing.assert_allclose(embed(5 * ROWS).points, found.points, atol=1e-9)


def test_umap_where_it_is_installed(monkeypatch):
    asked = {}

    class UMAP:
        def __init__(self, **options):
            asked.update(options)

        def fit_transform(self, rows):
            return rows[:, :2]

    monkeypatch.setitem(sys.modules, 'umap', types.SimpleNamespace(UMAP=UMAP))
    assert embed(ROWS, 'umap', seed=3).axes == ('UMAP 1', 'UMAP 2')
    assert asked == {'n_neighbors': 15, 'metric': 'cosine', 'random_state': 3}


def test_umap_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, 'umap', None)
    with pytest.raises(ValueError, match="needs the package umap-learn: install it, or take 'pca'"):
        embed(ROWS, 'umap')


def test_two_images_make_no_map():
    with pytest.raises(ValueError, match='2 images make no map'):
        embed(ROWS[:2])


@pytest.mark.parametrize('classes', [2, 10, 40])
def test_points_in_the_colours_of_their_classes(tmp_path, classes):
    labels = [i % classes for i in range(40)]
    colors = embedding._colors(labels)
    assert len(set(colors)) == classes and colors[0] == colors[-classes]
    names = [f'class {i}' for i in range(classes)]
    embedding_map(embed(ROWS), tmp_path / 'a.png', labels, names)
    with Image.open(tmp_path / 'a.png') as picture:
        assert picture.size == (1100, 880)
        found = {tuple(pixel) for pixel in np.asarray(picture.convert('RGB')).reshape(-1, 3)}
    assert len(found) > 5 * classes


def test_the_legend_names_the_classes():
    axes = Figure().subplots()
    embedding._draw_legend(axes, [2, 0, 2], ['cat', 'dog', 'owl'])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ['cat', 'owl']


def test_pictures_in_place_of_points(tmp_path):
    pictures = [np.full((28, 20, 3), (0, 200, 90), np.uint8)] * 40
    embedding_map(embed(ROWS), tmp_path / 'points.png')
    embedding_map(embed(ROWS), tmp_path / 'pictures.png', pictures=pictures)
    counts = []
    for name in ('points', 'pictures'):
        with Image.open(tmp_path / f'{name}.png') as picture:
            pixels = np.asarray(picture.convert('RGB')).astype(int)
        counts.append((np.abs(pixels - (0, 200, 90)).max(-1) < 3).sum())
    assert counts[0] == 0 and counts[1] > 20 * 28 * 40 / 2
