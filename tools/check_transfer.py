#!/usr/bin/env python3
"""Checks that a pretrained checkpoint arrives whole in a detector; exit status 1 if not.

Every tensor of the backbone must be the teacher's, and its feature maps those of the pretrained
network with the detector's settings: python tools/check_transfer.py CONFIG CHECKPOINT
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mmengine.config import DictAction

from dinomm import launch


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help="a detector's config, such as those of configs/detection")
    parser.add_argument('checkpoint', help='file that pretraining wrote')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        default={},
        metavar='KEY=VALUE',
        help='override config keys',
    )
    return parser.parse_args()


def main(args: argparse.Namespace) -> bool:
    """Prints the result; returns whether all is equal."""
    config = launch.read_config(args.config, args.cfg_options)
    launch.set_checkpoint(config, args.checkpoint)
    from dinomm.detection.transfer_check import check_transfer

    result = check_transfer(config, args.checkpoint)
    print(result.text())
    return result.passed


if __name__ == '__main__':
    arguments = parse_args()
    passed: list[bool] = []
    status = launch.run_tool(lambda: passed.append(main(arguments)))
    sys.exit(status or int(not all(passed)))
