"""Charts of the logged scalars."""

import inspect
import math
from collections.abc import Mapping
from typing import Any

from dinomm.evaluation.health import knn_series
from dinomm.visualization.scalars import Series

from .charts import line_chart
from .html import Html, join, table, tag


def uniform_losses(model: Mapping[str, Any]) -> dict[str, float]:
    """Loss of uniform outputs by head: ln K times its weight; of heads with prototypes alone."""
    from dinomm.registry import MODELS

    values = {}
    for name, head in (model.get('heads') or {}).items():
        cls = MODELS.get(head['type'])
        parameters = inspect.signature(cls).parameters if cls else {}
        if 'num_prototypes' not in parameters:
            continue
        settings = {
            key: head.get(key, parameters[key].default) for key in ('num_prototypes', 'loss_weight')
        }
        values[name] = settings['loss_weight'] * math.log(settings['num_prototypes'])
    return values


def losses(scalars: Mapping[str, Series], uniform: Mapping[str, float]) -> Html:
    """A chart of the sum, one of each head with its uniform value, one of the rate.

    Raises:
        ValueError: No loss was logged.
    """
    if 'loss' not in scalars:
        raise ValueError(
            'no loss was logged yet: the first line comes after default_hooks.logger.interval steps'
        )
    parts = {name: series for name, series in scalars.items() if name.startswith('loss_')}
    charts = []
    if len(parts) != 1:
        marks = {'uniform': sum(uniform.values())} if parts.keys() == _keys(uniform) else {}
        charts.append(line_chart('Loss, the sum', {'loss': scalars['loss']}, 'loss', marks))
    for name, series in parts.items():
        head = name.removeprefix('loss_')
        marks = {'uniform': uniform[head]} if head in uniform else {}
        charts.append(line_chart(f'Loss of {head}', {name: series}, 'loss', marks))
    if 'lr' in scalars:
        charts.append(line_chart('Learning rate', {'lr': scalars['lr']}, 'rate'))
    note = (
        'Dashed: what an output costs that is uniform over all K prototypes, ln K times the weight '
        'of the head. A loss that stays there has learned nothing.'
    )
    return join(
        tag('p', note, class_='faint') if uniform else None, tag('div', *charts, class_='charts')
    )


def knn(scalars: Mapping[str, Series]) -> Html:
    """Accuracy over time, as chart and table.

    Raises:
        ValueError: None was measured.
    """
    by_k = {f'k = {k}': series for k, series in knn_series(scalars).items()}
    if not by_k:
        raise ValueError(
            'no k-NN accuracy was logged: the run has no validation, or has not come to its first'
        )
    chart = line_chart('Top-1 accuracy of the teacher', by_k, 'top-1, %', points=True)
    rows = []
    for name, series in by_k.items():
        best = max(series, key=lambda i: series[i])
        first, last = min(series), max(series)
        cells = [f'{series[i]:.1f} % (iteration {i:,})' for i in (first, best, last)]
        rows.append((name, *cells))
    return join(
        tag(
            'p',
            'Votes of the nearest labelled training images, features frozen; labels take no part '
            'in training.',
            class_='faint',
        ),
        tag('div', chart, class_='charts'),
        table(rows, ('', 'first', 'best', 'last')),
    )


def _keys(uniform: Mapping[str, float]) -> set[str]:
    return {f'loss_{head}' for head in uniform}
