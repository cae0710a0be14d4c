"""mmengine's message hub as plain data, so that a checkpoint needs no pickled classes."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
from mmengine.logging import HistoryBuffer


def to_plain(state: dict) -> dict:
    """A message hub's state with numbers, strings and containers alone.

    Histories become pairs of lists; a run-time value that is no plain data is left out.
    """
    scalars = {
        name: {
            'values': [float(value) for value in buffer.data[0]],
            'counts': [int(count) for count in buffer.data[1]],
            'max_length': buffer.max_length,
        }
        for name, buffer in state['log_scalars'].items()
    }
    info = {}
    for name, value in state['runtime_info'].items():
        try:
            info[name] = _plain(value)
        except TypeError:
            continue
    kept = {**scalars, **info}
    resumed = {name: flag for name, flag in state['resumed_keys'].items() if name in kept}
    return {'log_scalars': scalars, 'runtime_info': info, 'resumed_keys': resumed}


def from_plain(state: dict) -> dict:
    """What :func:`to_plain` took, ready for ``MessageHub.load_state_dict``."""
    scalars = OrderedDict()
    for name, history in state['log_scalars'].items():
        if isinstance(history, dict):
            history = HistoryBuffer(
                np.asarray(history['values']),
                np.asarray(history['counts']),
                history['max_length'],
            )
        scalars[name] = history
    return {**state, 'log_scalars': scalars}


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [_plain(item) for item in value]
        return items if isinstance(value, list) else tuple(items)
    if value is None or type(value) in (str, int, float, bool):
        return value
    raise TypeError(f'{type(value).__name__} is no plain data')
