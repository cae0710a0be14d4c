"""Reads the scalars that mmengine's Runner writes beside its log."""

import json
from collections import defaultdict
from pathlib import Path

Series = dict[int, float]


def read_scalars(path: str | Path) -> dict[str, Series]:
    """Values by iteration of every scalar of a run.

    mmengine writes JSON lines: of training steps with 'iter', of validations with 'step' alone,
    which counts epochs or iterations; a validation by epoch stands at the last iteration logged
    before it. A last line that a killed run left incomplete is passed over.

    Args:
        path: ``vis_data/scalars.json``, or the work directory that holds it; the scalars of runs
            resumed there follow one another. What a run logged beyond the step at which the next
            one began to log is left out: training went another way from there.

    Returns:
        Name ('loss', 'lr', 'knn/top1_k20' ...) to a dict of values by iteration.

    Raises:
        ValueError: There is no such file, or it holds something else.
    """
    path = Path(path)
    files = sorted(path.glob('*/vis_data/scalars.json')) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise ValueError(
            f'{path} holds no scalars: give the work directory of a run, or its '
            '<timestamp>/vis_data/scalars.json'
        )
    series: dict[str, Series] = defaultdict(dict)
    for file in files:
        later = _read_file(file)
        start = min(later.get('loss', {}), default=None)
        for name, values in series.items():
            series[name] = {i: v for i, v in values.items() if start is None or i < start}
        for name, values in later.items():
            series[name].update(values)
    return {name: values for name, values in series.items() if values}


def _read_file(file: Path) -> dict[str, Series]:
    lines = file.read_text(errors='replace').splitlines()
    series: dict[str, Series] = defaultdict(dict)
    iteration = 0
    for number, line in enumerate(lines, 1):
        try:
            values = dict(json.loads(line))
        except (TypeError, ValueError):
            if number == len(lines):
                break
            raise ValueError(
                f'{file}, line {number}, is not a JSON object: expected a scalars.json of mmengine'
            ) from None
        iteration = max(values.pop('iter', iteration), values.pop('step', 0))
        for name, value in values.items():
            if isinstance(value, int | float):
                series[name][iteration] = value
    return series
