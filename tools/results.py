#!/usr/bin/env python3
"""Makes the tables over seeds of README and docs: python tools/results.py [NAME ...].

dino_digits     DINO's quick start on the digits: k-NN beside the untrained network
dinov2_digits   DINOv2's objectives there, as published and by the small-data recipe, beside DINO
esvit_digits    EsViT's quick runs there, L_V beside L_V + L_R: k-NN and correspondence
coco_digits     the quick detectors on composed images, pretrained or not: COCO average precision
"""

import argparse
import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dinomm import launch
from dinomm.benchmark.report import write_json

TABLES = ('dino_digits', 'dinov2_digits', 'esvit_digits', 'coco_digits')


def main() -> None:
    """Trains, evaluates, prints each table and writes its figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('names', nargs='*', metavar='NAME', help=f'of {", ".join(TABLES)} (all)')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--out', type=Path, default=Path('results'), help='folder of the figures')
    args = parser.parse_args()
    unknown = sorted(set(args.names) - set(TABLES))
    if unknown:
        parser.error(f'there is no table {unknown[0]!r}: give some of {", ".join(TABLES)}')
    for name in args.names or TABLES:
        table = importlib.import_module(f'dinomm.results.{name}')
        figures = table.make(args.seeds, Path('work_dirs/results'))
        print('', *table.lines(figures), sep='\n')
        write_json(args.out / f'{name}.json', figures)
        print(f'written to {args.out / f"{name}.json"}')


if __name__ == '__main__':
    sys.exit(launch.run_tool(main))
