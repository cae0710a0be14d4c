import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from dinomm.engine.schedule_values import ScheduleValues
from dinomm.visualization import schedules

EPOCH = np.arange(100) / 10
VALUES = {
    'learning rate': np.concatenate([np.linspace(0, 1, 20), np.linspace(1, 0.1, 80)]),
    'weight decay': np.full(100, 0.04),
    'teacher temperature (view)': np.linspace(0.04, 0.07, 100),
    'teacher temperature (region)': np.linspace(0.02, 0.07, 100),
}


@pytest.mark.parametrize('number', [1, 2, 4])
def test_a_panel_each_and_one_for_all_temperatures(tmp_path, number):
    chosen = dict(list(VALUES.items())[:number])
    schedules.schedule_curves(ScheduleValues(EPOCH, chosen, 1), tmp_path / 'a.png')
    with Image.open(tmp_path / 'a.png') as picture:
        assert picture.width == 1200 and picture.height == (390 if number < 3 else 780)
        assert np.asarray(picture.convert('L')).std() > 5
    assert [file.name for file in tmp_path.iterdir()] == ['a.png']


def panel(title, curves, frozen=0):
    axes = Figure().subplots()
    schedules._draw_panel(axes, title, curves, ScheduleValues(EPOCH, VALUES, frozen))
    return axes


def test_the_values_are_drawn_over_the_epochs():
    rate = VALUES['learning rate']
    axes = panel('learning rate', {'': rate}, frozen=1)
    (line,) = axes.lines
    assert (line.get_xdata() == EPOCH).all() and (line.get_ydata() == rate).all()
    assert axes.get_title() == 'learning rate: 0 to 0.1, at most 1'
    assert axes.get_legend().get_texts()[0].get_text() == 'last layer frozen, epochs: 1'


def test_a_constant_is_no_jagged_line():
    axes = panel('weight decay', {'': VALUES['weight decay']})
    assert axes.get_ylim() == (0, 0.08) and axes.get_title() == 'weight decay: 0.04'


def test_heads_are_told_apart():
    curves = {name: VALUES[f'teacher temperature ({name})'] for name in ('view', 'region')}
    axes = panel('teacher temperature', curves)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ['view', 'region']
