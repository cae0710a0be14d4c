"""Charts of the logged scalars."""

import inspect
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from dinomm.evaluation.health import knn_series
from dinomm.visualization.scalars import Series

from .charts import line_chart
from .html import Html, join, table, tag


class Uniform(NamedTuple):
    """What a uniform output costs a head: its weight times ln K.

    Attributes:
        prototypes: K.
        weight: Of the head's loss.
    """

    prototypes: int
    weight: float

    @property
    def loss(self) -> float:
        """Its value."""
        return self.weight * math.log(self.prototypes)

    @property
    def formula(self) -> str:
        """How it comes about."""
        factor = '' if self.weight == 1 else f'{self.weight:g} '
        return f'uniform: {factor}ln {self.prototypes:,}'


def uniform_outputs(model: Mapping[str, Any]) -> dict[str, Uniform]:
    """Of each head that has prototypes."""
    from dinomm.registry import MODELS

    found = {}
    for name, head in (model.get('heads') or {}).items():
        cls = MODELS.get(head['type'])
        parameters = inspect.signature(cls).parameters if cls else {}
        if 'num_prototypes' in parameters:
            keys = ('num_prototypes', 'loss_weight')
            found[name] = Uniform(*(head.get(key, parameters[key].default) for key in keys))
    return found


def losses(scalars: Mapping[str, Series], uniform: Mapping[str, Uniform]) -> Html:
    """A chart of the sum, one of each head with its uniform value, one of the rate.

    Raises:
        ValueError: No loss was logged.
    """
    if 'loss' not in scalars:
        raise ValueError(
            'no loss was logged yet: the first line comes after default_hooks.logger.interval steps'
        )
    heads = {
        name.removeprefix('loss_'): series
        for name, series in scalars.items()
        if name.startswith('loss_')
    }
    charts = []
    if len(heads) != 1:
        whole = sum(value.loss for value in uniform.values())
        marks = {'uniform': whole} if heads and heads.keys() == uniform.keys() else {}
        charts.append(line_chart('Loss, the sum', {'loss': scalars['loss']}, 'loss', marks))
    for head, series in heads.items():
        marks = {uniform[head].formula: uniform[head].loss} if head in uniform else {}
        charts.append(line_chart(f'Loss of head {head}', {f'loss_{head}': series}, 'loss', marks))
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
    chart = line_chart('Top-1 accuracy of the teacher', by_k, '%', points=True)
    rows = []
    for name, series in by_k.items():
        best = max(series, key=lambda i: series[i])
        first, last = min(series), max(series)
        cells = [f'{series[i]:.1f} % at {i:,}' for i in (first, best, last)]
        rows.append((name, *cells))
    return join(
        tag(
            'p',
            'Votes of the nearest labelled training images, features frozen; labels take no part '
            'in training.',
            class_='faint',
        ),
        tag('div', chart, class_='charts'),
        table(rows, ('at iteration', 'first', 'best', 'last')),
    )
