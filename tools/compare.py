#!/usr/bin/env python3
"""Compares frozen networks on folders of labelled images: k-NN, logistic regression, linear.

python tools/compare.py --network CONFIG CHECKPOINT --network CONFIG CHECKPOINT2 --folders A B
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dinomm import launch
from dinomm.commands.compare import add_options, run


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    return parser.parse_args()


if __name__ == '__main__':
    arguments = parse_args()
    sys.exit(launch.run_tool(lambda: run(arguments)))
