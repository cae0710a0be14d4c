"""DINO's quick start on the digits, once a seed."""

import statistics
from pathlib import Path

from dinomm import quickstart
from dinomm.visualization.scalars import read_scalars


def make(seeds: list[int], work_dir: Path) -> dict:
    """Trains and evaluates each seed; 'runs' of a seed's accuracies, gain and losses."""
    return {'runs': [_make_run(seed, work_dir / f'quickstart_digits_seed{seed}') for seed in seeds]}


def _make_run(seed: int, directory: Path) -> dict:
    run = quickstart.run_digits(directory, seed)
    rows = quickstart.knn_rows(run.config, run.checkpoint)
    return {
        'seed': seed,
        'knn': rows,
        'gain': rows['pretrained teacher'] - rows['untrained network'],
        'last_loss': list(read_scalars(run.directory)['loss'].values())[-1],
        'uniform_loss': quickstart.uniform_loss(run.config),
    }


def lines(figures: dict) -> list[str]:
    """A row a seed, and the gain over all."""
    runs = figures['runs']
    header = '  '.join(f'{name:>18}' for name in quickstart.ROWS)
    text = [f'seed  {header}   gain  last loss']
    for run in runs:
        cells = '  '.join(f'{run["knn"][name]:>18.1f}' for name in quickstart.ROWS)
        text.append(f'{run["seed"]:>4}  {cells}  {run["gain"]:>5.1f}  {run["last_loss"]:>9.2f}')
    gains = [run['gain'] for run in runs]
    text.append(
        f'gain: mean {statistics.mean(gains):.1f}, smallest {min(gains):.1f} points; '
        f'uniform loss {runs[0]["uniform_loss"]:.2f}'
    )
    return text
