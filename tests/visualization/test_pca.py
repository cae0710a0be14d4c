import numpy as np
import pytest
from PIL import Image

from dinomm.visualization.pca import HIDDEN, feature_colors, pca_sheet, principal_components

RNG = np.random.default_rng(0)


def test_components_equal_the_singular_vectors():
    rows = RNG.normal(size=(50, 8)) * np.arange(1, 9) + 5
    found = principal_components(rows, 3)
    _, values, vectors = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
    cosines = (found.directions * vectors[:3]).sum(1)
    np.testing.assert_allclose(np.abs(cosines), 1, rtol=1e-9)
    np.testing.assert_allclose(found.share, values[:3] ** 2 / (values**2).sum(), rtol=1e-9)
    projected = (rows - rows.mean(0)) @ vectors[:3].T * np.sign(cosines)
    np.testing.assert_allclose(found.project(rows), projected, atol=1e-9)
    assert (np.abs(found.directions).max(1) == found.directions.max(1)).all()


def test_colours_are_shared_by_the_pictures():
    rows = RNG.normal(size=(30, 6))
    features = [rows[:12].reshape(3, 4, 6), rows[12:].reshape(6, 3, 6)]
    apart = feature_colors(features)
    together = feature_colors([rows.reshape(5, 6, 6)])[0].reshape(-1, 3)
    assert [colors.shape for colors in apart] == [(3, 4, 3), (6, 3, 3)]
    np.testing.assert_allclose(np.concatenate([c.reshape(-1, 3) for c in apart]), together)
    projected = principal_components(rows, 3).project(rows)
    low, high = np.percentile(projected, (1, 99), axis=0)
    np.testing.assert_allclose(together, np.clip((projected - low) / (high - low), 0, 1))
    assert together.min() == 0 and together.max() == 1


@pytest.mark.parametrize('background', ['low', 'high'])
def test_background_by_the_first_component(background):
    rows = RNG.normal(size=(40, 5)) * 0.1
    rows[:10, 2] += 9  # a quarter lies high on the first component
    colors = feature_colors([rows.reshape(5, 8, 5)], background)[0].reshape(-1, 3)
    left_out = np.isnan(colors).any(1)
    assert left_out.tolist() == [(background == 'high')] * 10 + [(background == 'low')] * 30
    shown = rows[~left_out]
    first = principal_components(shown, 3).project(shown)[:, 0]
    assert np.corrcoef(first, colors[~left_out, 0])[0, 1] > 0.99


def test_too_few_cells():
    with pytest.raises(ValueError, match='2 features of 5 numbers have no 3 principal'):
        feature_colors([np.zeros((1, 2, 5))])


def test_equal_features_have_one_colour():
    colors = feature_colors([np.ones((4, 4, 5))])[0]
    assert np.ptp(colors.reshape(-1, 3), axis=0).max() == 0


def test_cells_stand_below_their_pictures(tmp_path):
    pictures = [np.full((240, 240, 3), shade, np.uint8) for shade in (10, 20)]
    colors = [np.full((2, 2, 3), 0.2), np.array([[[1, 0, 0.0]], [[np.nan] * 3]])]
    pca_sheet(pictures, colors, ['a', 'b'], tmp_path / 'sheet.png')
    with Image.open(tmp_path / 'sheet.png') as image:
        sheet = np.asarray(image)
    half = 240 * 120
    counts = [(sheet == color).all(-1).sum() for color in ((51,) * 3, (255, 0, 0), HIDDEN)]
    assert counts == [2 * half, half, half]
    place = np.argwhere((sheet == (255, 0, 0)).all(-1)).min(0)
    above = sheet[place[0] - 100, place[1]]
    assert (above == 20).all()
