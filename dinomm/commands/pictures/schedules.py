"""Learning rate, weight decay, teacher momentum and temperature over a config's run."""

import argparse
from typing import Any

from mmengine.config import Config

from dinomm.commands import visualize as common


def add_options(parser: Any) -> None:
    """There is no network."""
    parser.add_argument(
        '--steps-per-epoch',
        type=int,
        metavar='N',
        help='optimizer steps (as many as curves need; schedules in iterations ask for it)',
    )


def draw(config: Config, args: argparse.Namespace) -> None:
    """A panel each."""
    common.require_positive(args, 'steps_per_epoch')
    from dinomm.config_check import check_config
    from dinomm.config_values import check_values
    from dinomm.engine.schedule_values import schedule_values
    from dinomm.visualization.schedules import schedule_curves

    check_values(config)
    check_config(config)
    schedule_curves(schedule_values(config, args.steps_per_epoch), args.out)
