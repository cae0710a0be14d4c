#!/usr/bin/env python3
"""Looks at a run before it starts: python tools/doctor.py CONFIG [--data FOLDER] [options].

Takes the options of tools/train.py. Prints the key values, decodes a sample of the images, measures
loader and training step, estimates hours, memory and disk, and says what to change. Trains nothing:
of the work directory it writes doctor.json and doctor_crops.png alone.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dinomm import launch, run_options


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='exit status: 0, 1 for an error of use, 2 for a wrong command line, 5 if the run '
        'would fail or be wasted',
    )
    run_options.add_run_options(parser)
    parser.add_argument('--quick', action='store_true', help='a rougher look in less time')
    parser.add_argument('--steps', type=_at_least_one, help='training steps to time (20, quick 3)')
    parser.add_argument(
        '--processes', type=_at_least_one, help='of the run that is planned, e.g. its GPUs'
    )
    return launch.parse_args(parser)


def _at_least_one(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f'{text!r}: expected a whole number from 1')
    return number


def main(args: argparse.Namespace) -> None:
    """Looks, the first process alone where there are several, and exits with the status."""
    if int(os.environ.get('RANK', os.environ.get('SLURM_PROCID', 0))):
        return
    config = run_options.resolve(args, args.processes)  # its errors come before slow imports
    from dinomm.doctor.examination import QUICK, Effort, examine

    effort = QUICK if args.quick else Effort()
    if args.steps:
        effort = effort._replace(steps=args.steps)
    sys.exit(examine(args, config, effort))


if __name__ == '__main__':
    arguments = parse_args()
    sys.exit(launch.run_tool(lambda: main(arguments)))
