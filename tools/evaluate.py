#!/usr/bin/env python3
"""Evaluates a checkpoint's backbone: python tools/evaluate.py NAME CONFIG CHECKPOINT.

correspondence    whether regions find themselves in the mirrored, jittered, grey view
attention         the entropy of each head's attention in the last block
"""

import argparse
import sys
from pathlib import Path

from mmengine.config import DictAction

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dinomm import launch
from dinomm.benchmark.report import write_json


def evaluate_correspondence(config, args: argparse.Namespace) -> dict:
    """Accuracy and distance of the ten best pairs of each image."""
    from dinomm.evaluation.correspondence import AddMirroredView, measure_correspondence
    from dinomm.evaluation.network import evaluation_loader, load_network

    batches = evaluation_loader(config, args.data, [AddMirroredView()], args.images)
    return measure_correspondence(load_network(config, args.checkpoint), batches)


def evaluate_attention(config, args: argparse.Namespace) -> dict:
    """Entropies in bits."""
    from dinomm.evaluation.attention import measure_entropy
    from dinomm.evaluation.network import evaluation_loader, load_network

    batches = evaluation_loader(config, args.data, max_images=args.images)
    return measure_entropy(load_network(config, args.checkpoint), batches)


EVALUATIONS = {'correspondence': evaluate_correspondence, 'attention': evaluate_attention}


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('name', choices=list(EVALUATIONS))
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='file of weights; its state_dict is evaluated')
    parser.add_argument('--data', metavar='FOLDER', help="images in place of the config's")
    parser.add_argument('--images', type=int, help='so many at most, evenly spread over all')
    parser.add_argument('--json', help='file for the figures (<checkpoint>.<name>.json)')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, default={}, metavar='KEY=VALUE'
    )
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Evaluates, prints a table and writes the figures."""
    config = launch.read_config(args.config, args.cfg_options)
    launch.set_checkpoint(config, args.checkpoint)
    figures = EVALUATIONS[args.name](config, args)
    for name, value in figures.items():
        numbers = value if isinstance(value, list) else [value]
        print(f'{name:<10}', *(f'{n:8.4g}' for n in numbers))
    path = args.json or Path(args.checkpoint).with_suffix(f'.{args.name}.json')
    write_json(path, figures)
    print(f'written to {path}')


if __name__ == '__main__':
    arguments = parse_args()
    sys.exit(launch.run_tool(lambda: main(arguments)))
