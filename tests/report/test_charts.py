import math
import xml.etree.ElementTree as ET

import pytest

from dinomm.report import charts


def drawn(*args, **options):
    return ET.fromstring(charts.line_chart(*args, **options))


def points(figure):
    return [
        [tuple(map(float, point.split(','))) for point in line.get('points').split()]
        for line in figure.iter('polyline')
    ]


def test_a_line_rises_with_its_values():
    figure = drawn('Loss', {'loss': {10: 1.0, 20: 2.0, 40: 4.0}}, 'loss')
    ((first, second, third),) = points(figure)
    assert first[0] < second[0] < third[0] == pytest.approx(charts.WIDTH - charts.RIGHT)
    assert first[1] > second[1] > third[1]
    assert (third[0] - second[0]) == pytest.approx(2 * (second[0] - first[0]), abs=0.2)
    assert (second[1] - third[1]) == pytest.approx(2 * (first[1] - second[1]), abs=0.2)


def test_all_lies_inside_the_drawing():
    figure = drawn('Loss', {'a': {1: 3.0}, 'b': {500: -1e6}}, 'x', {'uniform': 6.93})
    (svg,) = figure.iter('svg')
    assert svg.get('viewBox') == f'0 0 {charts.WIDTH} {charts.HEIGHT}'
    for line in points(figure):
        assert all(0 <= x <= charts.WIDTH and 0 <= y <= charts.HEIGHT for x, y in line)
    assert len(list(figure.iter('circle'))) == 2  # one value makes no line


def test_a_mark_stands_at_its_value():
    figure = drawn('Loss', {'loss': {1: 2.0, 9: 6.0}}, 'loss', {'uniform': 6.0})
    (mark,) = (line for line in figure.iter('line') if line.get('class') == 'mark')
    assert float(mark.get('y1')) == points(figure)[0][1][1]
    assert 'uniform = 6.00' in ''.join(figure.itertext())


def test_names_and_description():
    figure = drawn('A <b>', {'<script>': {1: 5.0, 2: 4.0}}, '%')
    (title,) = figure.iter('title')
    assert title.text == 'A <b>: <script> from 5 to 4'
    assert not list(figure.iter('script'))


def test_values_that_are_no_numbers_leave_gaps():
    assert charts.thinned({1: 1.0, 2: math.nan, 3: math.inf, 4: 2.0}) == {1: 1.0, 4: 2.0}
    assert 'no values' in charts.line_chart('Loss', {'loss': {1: math.nan}}, 'loss')


def test_a_long_series_is_thinned_to_means():
    thin = charts.thinned({i: float(i) for i in range(1, 100_001)})
    assert len(thin) <= charts.MAX_POINTS
    assert max(thin) == 100_000
    group = min(thin)
    assert thin[group] == pytest.approx((1 + group) / 2)


@pytest.mark.parametrize(
    ('value', 'text'), [(0.0, '0'), (0.0004, '4e-4'), (1.6e-3, '1.6e-3'), (68.5, '68.5')]
)
def test_numbers_are_short(value, text):
    assert charts.number_text(value) == text
