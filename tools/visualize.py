#!/usr/bin/env python3
"""Draws what a network learned: python tools/visualize.py NAME CONFIG CHECKPOINT IMAGES..."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dinomm import launch
from dinomm.commands.visualize import add_pictures, run


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_pictures(parser)
    return parser.parse_args()


if __name__ == '__main__':
    arguments = parse_args()
    sys.exit(launch.run_tool(lambda: run(arguments)))
