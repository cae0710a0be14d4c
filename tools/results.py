#!/usr/bin/env python3
"""Makes the README's table over seeds: the quick start's run on the digits, once a seed."""

import argparse
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dinomm import launch, quickstart
from dinomm.benchmark.report import write_json
from dinomm.visualization.scalars import read_scalars


def main() -> None:
    """Trains, evaluates, writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--json', default='results/quickstart_digits.json')
    args = parser.parse_args()

    runs: list[dict] = []
    for seed in args.seeds:
        work_dir = Path('work_dirs/results') / f'quickstart_digits_seed{seed}'
        run = quickstart.run_digits(work_dir, seed)
        rows = quickstart.knn_rows(run.config, run.checkpoint)
        loss = list(read_scalars(run.directory)['loss'].values())[-1]
        gain = rows['pretrained teacher'] - rows['untrained network']
        runs.append(
            {
                'seed': seed,
                'knn': rows,
                'gain': gain,
                'last_loss': loss,
                'uniform_loss': quickstart.uniform_loss(run.config),
            }
        )
        quickstart.print_table(rows, digits=True)
    print('\nseed  ' + '  '.join(f'{name:>18}' for name in quickstart.ROWS) + '   gain  last loss')
    for run in runs:
        cells = '  '.join(f'{run["knn"][name]:>18.1f}' for name in quickstart.ROWS)
        print(f'{run["seed"]:>4}  {cells}  {run["gain"]:>5.1f}  {run["last_loss"]:>9.2f}')
    gains = [run['gain'] for run in runs]
    print(
        f'gain: mean {statistics.mean(gains):.1f}, smallest {min(gains):.1f} points; '
        f'uniform loss {runs[0]["uniform_loss"]:.2f}'
    )
    write_json(args.json, {'runs': runs})
    print(f'written to {args.json}')


if __name__ == '__main__':
    sys.exit(launch.run_tool(main))
