#!/usr/bin/env python3
"""Pretrains, or trains a detector: python tools/train.py CONFIG [--data FOLDER] [options]."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dinomm import launch, run_options


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    run_options.add_run_options(parser)
    return launch.parse_args(parser)


def main(args: argparse.Namespace) -> None:
    """Trains."""
    config = run_options.resolve(args)
    launch.require_data(config)
    launch.train(launch.build_runner(config, args.launcher))


if __name__ == '__main__':
    arguments = parse_args()
    sys.exit(launch.run_tool(lambda: main(arguments)))
