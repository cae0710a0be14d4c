#!/usr/bin/env python3
"""Makes the README's table over seeds: the quick start's run on the digits, once a seed."""

import argparse
import statistics
import sys
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dinomm import launch, quickstart
from dinomm.benchmark.report import write_json
from dinomm.visualization.scalars import read_scalars


class SeedResult(NamedTuple):
    """What one seed gave: accuracies by row, and the loss at the end."""

    seed: int
    knn: dict[str, float]
    gain: float
    last_loss: float
    uniform_loss: float


def main() -> None:
    """Trains, evaluates, writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--json', default='results/quickstart_digits.json')
    args = parser.parse_args()

    results = [train_and_evaluate(seed) for seed in args.seeds]
    print_results(results)
    write_json(args.json, {'runs': [result._asdict() for result in results]})
    print(f'written to {args.json}')


def train_and_evaluate(seed: int) -> SeedResult:
    """The quick start's run of a seed, into a work directory of its own."""
    work_dir = Path('work_dirs/results') / f'quickstart_digits_seed{seed}'
    run = quickstart.run_digits(work_dir, seed)
    rows = quickstart.knn_rows(run.config, run.checkpoint)
    loss = list(read_scalars(run.directory)['loss'].values())[-1]
    gain = rows['pretrained teacher'] - rows['untrained network']
    return SeedResult(seed, rows, gain, loss, quickstart.uniform_loss(run.config))


def print_results(results: list[SeedResult]) -> None:
    """Prints the table over seeds."""
    header = '  '.join(f'{name:>18}' for name in quickstart.ROWS)
    print(f'\nseed  {header}   gain  last loss')
    for result in results:
        cells = '  '.join(f'{result.knn[name]:>18.1f}' for name in quickstart.ROWS)
        print(f'{result.seed:>4}  {cells}  {result.gain:>5.1f}  {result.last_loss:>9.2f}')
    gains = [result.gain for result in results]
    print(
        f'gain: mean {statistics.mean(gains):.1f}, smallest {min(gains):.1f} points; '
        f'uniform loss {results[0].uniform_loss:.2f}'
    )


if __name__ == '__main__':
    sys.exit(launch.run_tool(main))
