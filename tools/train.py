#!/usr/bin/env python3
"""Pretrains, or trains a detector: python tools/train.py CONFIG [--data FOLDER] [options]."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dinomm import launch, run_options
from dinomm.learning_rate import scale_lr


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--data', metavar='FOLDER', help='your own images; for a detector, your own COCO data'
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='FILE',
        help='go on from the newest checkpoint of the work directory, or from FILE',
    )
    parser.add_argument(
        '--amp',
        nargs='?',
        const='auto',
        choices=['auto', 'bfloat16', 'float16'],
        help='mixed precision (auto: bfloat16, of a detector float16)',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='fit the learning rate to the effective batch size (auto_scale_lr of the config)',
    )
    parser.add_argument('--no-validate', action='store_true', help='leave the validation out')
    parser.add_argument(
        '--stop-on-collapse',
        action='store_true',
        help='end with a checkpoint and exit status 3 when the run has collapsed',
    )
    parser.add_argument('--seed', type=int, help='instead of randomness.seed of the config')
    return launch.parse_args(parser)


def main(args: argparse.Namespace) -> None:
    """Trains."""
    config = launch.read_config(args.config, args.cfg_options)
    launch.set_work_dir(config, args.config, args.work_dir)
    launch.set_data(config, args.data)
    if args.no_validate:
        launch.drop_validation(config)
    if args.amp:
        run_options.set_amp(config, args.amp)
    if args.auto_scale_lr:
        scale_lr(config, launch.num_processes(args.launcher))
    if args.stop_on_collapse:
        run_options.set_stop_on_collapse(config)
    if args.seed is not None:
        config.randomness = {'seed': args.seed}
    if args.resume:
        run_options.set_resume(config, args.resume)
    launch.require_data(config)
    launch.build_runner(config, args.launcher).train()


if __name__ == '__main__':
    arguments = parse_args()
    sys.exit(launch.run_tool(lambda: main(arguments)))
