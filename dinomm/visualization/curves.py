"""Curves of a pretraining run: its loss and its k-NN accuracy."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import replaced_when_whole
from .scalars import Series, read_scalars

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = ('#0066CC', '#D95319', '#2E7D32', '#7B1FA2', '#6D4C41')
STYLE: dict[Any, Any] = {
    'font.size': 13,
    'axes.titlesize': 15,
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.grid': True,
    'grid.color': '#E3E3E3',
    'lines.linewidth': 2.2,
    'legend.frameon': False,
}


def training_curves(
    scalars_json: str | Path, out_path: str | Path, uniform_loss: float | None = None
) -> None:
    """Draws a PNG of the loss and, where there were validations, of the k-NN top-1 accuracy.

    Args:
        scalars_json: mmengine's ``vis_data/scalars.json``, or the work directory of the run.
        out_path: PNG file to write.
        uniform_loss: Value to mark beside the loss: that of uniform outputs, ln K with K
            prototypes.

    Raises:
        ValueError: The file is missing or holds no loss.
    """
    scalars = read_scalars(scalars_json)
    if 'loss' not in scalars:
        raise ValueError(f'{scalars_json} holds no loss: expected the scalars of a training run')
    accuracies = {
        name: series for name, series in sorted(scalars.items()) if re.search(r'/top1_k\d+$', name)
    }

    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = 2 if accuracies else 1
    with rc_context(STYLE):
        figure = Figure(figsize=(7 * panels, 4.8), layout='constrained')
        canvas = FigureCanvasAgg(figure)
        axes = figure.subplots(1, panels, squeeze=False)[0]
        _draw_loss(axes[0], scalars['loss'], uniform_loss)
        if accuracies:
            _draw_accuracies(axes[1], accuracies)
        with replaced_when_whole(out_path) as file:
            canvas.print_figure(file, format='png', dpi=120)


def _draw_loss(axes: 'Axes', loss: Series, uniform_loss: float | None) -> None:
    _draw_series(axes, loss, COLORS[0])
    if uniform_loss is not None:
        axes.axhline(uniform_loss, color='#555555', linestyle='--', linewidth=1.5)
        axes.annotate(
            f'uniform output, ln K = {uniform_loss:.2f}',
            (0.99, uniform_loss),
            xycoords=axes.get_yaxis_transform(),
            xytext=(0, 5),
            textcoords='offset points',
            ha='right',
            color='#555555',
        )
        axes.margins(y=0.12)
    axes.set(title='Training loss', xlabel='iteration', ylabel='loss', xlim=(0, None))


def _draw_accuracies(axes: 'Axes', accuracies: dict[str, Series]) -> None:
    by_k = sorted(accuracies.items(), key=lambda item: int(item[0].rpartition('k')[2]))
    for index, (name, series) in enumerate(by_k):
        last = series[max(series)]
        label = f'k = {name.rpartition("k")[2]}: {last:.1f} % at the end'
        _draw_series(axes, series, COLORS[index % len(COLORS)], label, marker='o')
    axes.legend(loc='best')
    axes.set(
        title='k-NN accuracy of the validated network',
        xlabel='iteration',
        ylabel='top-1 accuracy, %',
        xlim=(0, None),
    )


def _draw_series(
    axes: 'Axes', series: Series, color: str, label: str | None = None, marker: str = ''
) -> None:
    iterations = sorted(series)
    marker = marker or ('o' if len(series) == 1 else '')
    axes.plot(iterations, [series[i] for i in iterations], color=color, label=label, marker=marker)
