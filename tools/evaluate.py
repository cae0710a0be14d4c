#!/usr/bin/env python3
"""Evaluates a checkpoint's backbone: python tools/evaluate.py NAME CONFIG CHECKPOINT."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dinomm import launch
from dinomm.commands.evaluate import add_evaluations, run


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_evaluations(parser)
    return parser.parse_args()


if __name__ == '__main__':
    arguments = parse_args()
    sys.exit(launch.run_tool(lambda: run(arguments)))
