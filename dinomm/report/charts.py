"""Line charts as inline SVG, whose colours follow the page's."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from .html import Html, join, tag

WIDTH, HEIGHT = 460, 280  # small, so that texts stay readable on a phone
LEFT, RIGHT, TOP, BOTTOM = 60, 14, 32, 44
MAX_POINTS = 300
COLORS = 4  # so many classes line-0, line-1 ... has the page's style

Series = Mapping[int, float]


class Scale(NamedTuple):
    """Values to pixels, and where to mark them."""

    low: float
    high: float
    start: float
    end: float
    ticks: list[float]

    def at(self, value: float) -> float:
        """The pixel of a value."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def line_chart(
    title: str,
    lines: Mapping[str, Series],
    unit: str,
    marks: Mapping[str, float] | None = None,
    points: bool = False,
) -> Html:
    """A figure with axes, a legend and a description for those who do not see it.

    Args:
        title: Heading, without markup.
        lines: Name to values by iteration; values that are no numbers leave gaps.
        unit: Of the values, for the axis.
        marks: Name to a value that is drawn across, dashed.
        points: Whether each value is marked.
    """
    marks = marks or {}
    shown = {name: thinned(series) for name, series in lines.items()}
    values = [v for series in shown.values() for v in series.values()] + list(marks.values())
    last = max((i for series in shown.values() for i in series), default=1)
    x = scale([0, last], LEFT, WIDTH - RIGHT)
    y = scale(values, HEIGHT - BOTTOM, TOP)
    drawing = tag(
        'svg',
        tag('title', description(title, lines, marks)),
        *axes(x, y, unit),
        *(across(y.at(value), name, value) for name, value in marks.items()),
        *(curve(series, x, y, n, points) for n, series in enumerate(shown.values())),
        viewBox=f'0 0 {WIDTH} {HEIGHT}',
        role='img',
    )
    keys = [
        tag('li', tag('span', class_=f'key line-{n % COLORS}'), name)
        for n, name in enumerate(shown)
    ]
    legend = tag('ul', *keys, class_='legend')
    return tag('figure', tag('figcaption', title), drawing, legend, class_='chart')


def description(title: str, lines: Mapping[str, Series], marks: Mapping[str, float]) -> str:
    """What a chart shows, for a screen reader."""
    parts = []
    for name, series in lines.items():
        finite = {i: v for i, v in series.items() if math.isfinite(v)}
        if finite:
            first, last = finite[min(finite)], finite[max(finite)]
            parts.append(f'{name} from {first:.4g} to {last:.4g}')
    parts += [f'{name} at {value:.4g}' for name, value in marks.items()]
    return f'{title}: {", ".join(parts) or "no values"}'


def thinned(series: Series) -> dict[int, float]:
    """Finite values; of a long series the means of neighbours."""
    values = sorted((i, v) for i, v in series.items() if math.isfinite(v))
    group = math.ceil(len(values) / MAX_POINTS) or 1
    parts = [values[start : start + group] for start in range(0, len(values), group)]
    return {part[-1][0]: sum(v for _, v in part) / len(part) for part in parts}


def scale(values: list[float], start: float, end: float) -> Scale:
    """Reaches over all values, from round number to round number."""
    from matplotlib.ticker import MaxNLocator

    low, high = min(values, default=0.0), max(values, default=1.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    ticks = [float(tick) for tick in MaxNLocator(5).tick_values(low, high)]
    if start < end:  # along x the last value ends the axis
        return Scale(low, high, start, end, [tick for tick in ticks if low <= tick <= high])
    return Scale(ticks[0], ticks[-1], start, end, ticks)


def axes(x: Scale, y: Scale, unit: str) -> list[Html]:
    """Grid lines, numbers, names."""
    parts = []
    for tick in y.ticks:
        at = f'{y.at(tick):.1f}'
        parts.append(tag('line', x1=LEFT, x2=WIDTH - RIGHT, y1=at, y2=at, class_='grid'))
        text = tag('text', number_text(tick), x=LEFT - 8, y=at, class_='end', dy='0.35em')
        parts.append(text)
    for tick in x.ticks:
        place = {'x': f'{x.at(tick):.1f}', 'y': HEIGHT - BOTTOM + 18, 'class_': 'middle'}
        parts.append(tag('text', number_text(tick), **place))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(tag('text', 'iteration', x=middle, y=HEIGHT - 6, class_='middle'))
    parts.append(tag('text', unit, x=LEFT - 8, y=14, class_='end'))
    return parts


def number_text(value: float) -> str:
    """Short, without a row of zeros."""
    if value and abs(value) < 0.01:
        digits, _, exponent = f'{value:.2e}'.partition('e')
        return f'{float(digits):g}e{int(exponent)}'
    return f'{value:g}'


def across(y: float, name: str, value: float) -> Html:
    """A dashed line with its name above, or below where there is no room."""
    above = y > TOP + 20
    place = {'x': WIDTH - RIGHT - 4, 'y': f'{y - 6 if above else y + 17:.1f}'}
    line = tag('line', x1=LEFT, x2=WIDTH - RIGHT, y1=f'{y:.1f}', y2=f'{y:.1f}', class_='mark')
    return join(line, tag('text', f'{name} = {value:.2f}', **place, class_='end halo'))


def curve(series: Series, x: Scale, y: Scale, number: int, points: bool) -> Html:
    """A line through the values; points where asked for, and where there is one value."""
    places = [(f'{x.at(i):.1f}', f'{y.at(v):.1f}') for i, v in series.items()]
    path = tag('polyline', points=' '.join(','.join(place) for place in places))
    dots = [tag('circle', cx=cx, cy=cy, r=4) for cx, cy in places] if points else []
    if len(places) == 1 and not points:
        dots = [tag('circle', cx=places[0][0], cy=places[0][1], r=4)]
    return tag('g', path, *dots, class_=f'line-{number % COLORS}')
