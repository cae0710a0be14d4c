#!/usr/bin/env python3
"""Measures dinomm against stated alternatives, in turns: python tools/benchmark.py step dino."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dinomm.benchmark.loader import LoaderSize, compare_loaders
from dinomm.benchmark.report import write_json
from dinomm.benchmark.step import WIDTHS, StepSize, compare_steps


def main() -> int:
    """Runs the named benchmark."""
    default = StepSize()
    parser = argparse.ArgumentParser(description=__doc__)
    benchmarks = parser.add_subparsers(dest='benchmark', required=True)
    step = benchmarks.add_parser('step', help='a training step against the same in plain PyTorch')
    step.add_argument('objective', choices=['dino'])
    step.add_argument('--backbone', choices=sorted(WIDTHS), default=default.backbone)
    step.add_argument('--prototypes', type=int, default=default.num_prototypes)
    step.add_argument('--batch', type=int, default=default.batch)
    step.add_argument('--locals', type=int, default=default.num_local)
    step.add_argument('--threads', type=int, default=default.threads)
    step.add_argument('--rounds', type=int, default=3, help='measurements of each, in turns')
    step.add_argument('--steps', type=int, default=3, help='timed steps a measurement')
    step.add_argument('--json', help='file to write the figures to, with machine and date')
    loader = benchmarks.add_parser('loader', help='tar shards against files, a million entries')
    loader.add_argument('--images', type=int, default=LoaderSize().images, help='read in turns')
    loader.add_argument('--entries', type=int, default=LoaderSize().entries, help='only listed')
    loader.add_argument('--rounds', type=int, default=LoaderSize().rounds)
    loader.add_argument('--json', help='file to write the figures to, with machine and date')
    args = parser.parse_args()
    if args.benchmark == 'loader':
        figures = compare_loaders(LoaderSize(args.images, args.entries, args.rounds), print)
    else:
        size = StepSize(args.backbone, args.prototypes, args.batch, args.locals, args.threads)
        figures = compare_steps(size, args.rounds, args.steps, print)
    if args.json:
        write_json(args.json, figures)
    return 0


if __name__ == '__main__':
    sys.exit(main())
