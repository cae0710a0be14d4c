"""What moves over a run: learning rate, weight decay, momentum, temperature."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dinomm.engine.schedule_values import ScheduleValues

from .curves import COLORS, STYLE
from .files import replaced_when_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def schedule_curves(schedules: ScheduleValues, out_path: str | Path) -> None:
    """Draws one PNG: a panel for each schedule over the epochs; temperatures share one.

    Args:
        schedules: See `dinomm.engine.schedule_values.schedule_values`.
        out_path: PNG file to write.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels: dict[str, dict[str, np.ndarray]] = {}
    for name, values in schedules.values.items():
        title, _, head = name.partition(' (')
        panels.setdefault(title, {})[head.rstrip(')')] = values
    with rc_context(STYLE):
        figure = Figure(figsize=(12, 3.9 * -(-len(panels) // 2)), layout='constrained')
        canvas = FigureCanvasAgg(figure)
        grid = figure.subplots(-(-len(panels) // 2), 2, squeeze=False).flatten()
        for axes, (title, curves) in zip(grid, panels.items(), strict=False):
            _draw_panel(axes, title, curves, schedules)
        for axes in grid[len(panels) :]:
            axes.remove()
        with replaced_when_whole(out_path) as file:
            canvas.print_figure(file, format='png', dpi=100)


def _draw_panel(
    axes: 'Axes', title: str, curves: dict[str, np.ndarray], schedules: ScheduleValues
) -> None:
    for i, (name, values) in enumerate(curves.items()):  # equal ones show through the dashes
        color, style = COLORS[i % len(COLORS)], (0, (4, 4)) if i else '-'
        axes.plot(schedules.epoch, values, color=color, linestyle=style, label=name)
    everything = np.concatenate(list(curves.values()))
    low, high = everything.min(), everything.max()
    axes.set(title=_title(title, low, high, everything), xlabel='epoch', xlim=(0, None))
    if high - low <= 1e-9 * max(high, 1e-12):  # a constant: no false precision of the axis
        axes.set_ylim(0, 2 * high or 1)
    if len(curves) > 1:
        axes.legend(title='head')
    if title == 'learning rate' and schedules.frozen_epochs:
        frozen = f'last layer frozen, epochs: {schedules.frozen_epochs}'
        axes.axvspan(0, schedules.frozen_epochs, color='#CCCCCC', label=frozen)
        axes.legend(loc='best')


def _title(title: str, low: float, high: float, values: np.ndarray) -> str:
    if low == high:
        return f'{title}: {high:.4g}'
    peak = f', at most {high:.4g}' if high > max(values[0], values[-1]) else ''
    return f'{title}: {values[0]:.4g} to {values[-1]:.4g}{peak}'
