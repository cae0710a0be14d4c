import json
import math

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from dinomm.visualization import curves, training_curves


@pytest.fixture
def scalars(tmp_path):
    lines = [{'loss': 5 - i / 10, 'lr': 0.1, 'iter': i, 'step': i} for i in range(1, 11)]
    lines.append({'knn/top1_k10': 40.0, 'knn/top1_k20': 50.0, 'knn/top5_k20': 90.0, 'step': 1})
    file = tmp_path / 'scalars.json'
    file.write_text('\n'.join(map(json.dumps, lines)))
    return file


def size(path):
    with Image.open(path) as picture:
        assert picture.format == 'PNG'
        assert np.asarray(picture.convert('L')).std() > 5
        return picture.size


def test_second_panel_for_validations(scalars, tmp_path):
    training_curves(scalars, tmp_path / 'both.png', math.log(256))
    scalars.write_text(scalars.read_text().rpartition('\n')[0])
    training_curves(scalars, tmp_path / 'loss.png')
    both, loss = size(tmp_path / 'both.png'), size(tmp_path / 'loss.png')
    assert both[0] == 2 * loss[0] > 1200
    assert sorted(tmp_path.iterdir()) == [
        tmp_path / n for n in ('both.png', 'loss.png', scalars.name)
    ]


def test_uniform_loss_is_drawn_and_in_sight():
    axes = Figure().subplots()
    curves._draw_loss(axes, {1: 2.0, 2: 1.0}, math.log(256))
    data, line = axes.lines
    assert list(data.get_ydata()) == [2, 1]
    assert set(line.get_ydata()) == {math.log(256)}
    assert axes.get_ylim()[1] > math.log(256)
    assert 'ln K = 5.55' in axes.texts[0].get_text()


def test_accuracies_in_order_of_k():
    axes = Figure().subplots()
    curves._draw_accuracies(axes, {'knn/top1_k100': {3: 30.0}, 'knn/top1_k20': {3: 50.0, 1: 40.0}})
    assert list(axes.lines[0].get_xdata()) == [1, 3]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ['k = 20: 50.0 % at the end', 'k = 100: 30.0 % at the end']


def test_scalars_without_a_loss(tmp_path):
    file = tmp_path / 'scalars.json'
    file.write_text('{"knn/top1_k20": 50.0, "step": 1}')
    with pytest.raises(ValueError, match='no loss'):
        training_curves(file, tmp_path / 'curves.png')
