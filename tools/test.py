#!/usr/bin/env python3
"""Evaluates a checkpoint by a config's test loop: python tools/test.py CONFIG CHECKPOINT."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dinomm import data_config, launch
from dinomm.data_paths import DATA_ROOT_HELP


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='file of weights; its state_dict is evaluated')
    parser.add_argument(
        '--data', metavar='FOLDER', help='your own labelled images; for a detector, COCO data'
    )
    parser.add_argument('--data-root', metavar='FOLDER', help=DATA_ROOT_HELP)
    return launch.parse_args(parser)


def main(args: argparse.Namespace) -> None:
    """Evaluates."""
    config = launch.read_config(args.config, args.cfg_options)
    launch.set_work_dir(config, args.config, args.work_dir)
    launch.set_checkpoint(config, args.checkpoint)
    data_config.set_data(config, args.data, args.data_root)
    launch.require_data(config, testing=True)
    launch.require_test(config)
    launch.test(launch.build_runner(config, args.launcher))


if __name__ == '__main__':
    arguments = parse_args()
    sys.exit(launch.run_tool(lambda: main(arguments)))
