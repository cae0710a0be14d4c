#!/usr/bin/env python3
"""Writes one HTML file about a pretraining run: python tools/report.py WORK_DIR.

Works on a run that is finished, still going, or dead. The file needs no network and no server.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dinomm import launch


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('work_dir', help='work directory of a run of tools/train.py')
    parser.add_argument('--out', metavar='FILE', help='file to write (WORK_DIR/report.html)')
    parser.add_argument('--data', metavar='FOLDER', help="images in place of the run's")
    parser.add_argument('--images', type=int, default=4, metavar='N', help='so many are shown (4)')
    return parser.parse_args()


def main() -> None:
    """Writes the report."""
    args = parse_args()
    from dinomm.report.build import write_report

    path, not_made = write_report(args.work_dir, args.out, args.data, args.images)
    if not_made:
        print(f'not made, the report says why: {", ".join(not_made)}')
    print(f'written to {path}')


if __name__ == '__main__':
    sys.exit(launch.run_tool(main))
