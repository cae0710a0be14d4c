"""The command line of ``tools/evaluate.py``: what all evaluations share.

An evaluation is a module of this package: the first line of its docstring is its help,
``add_options(parser)`` adds what it alone takes, and ``evaluate(config, args)`` returns its
figures, in every process alike, as plain numbers, texts, and lists and dicts of them.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from mmengine.config import Config, DictAction

from dinomm import launch
from dinomm.benchmark.report import write_json
from dinomm.data_paths import DATA_ROOT_HELP

EVALUATIONS = (
    'knn',
    'linear',
    'logreg',
    'transfer',
    'retrieval',
    'copy-detection',
    'video-segmentation',
    'segmentation-by-attention',
    'correspondence',
    'attention',
)
"""Modules of this package, with hyphens for underscores."""

UNTRAINED = 'untrained'
"""Stands in for a checkpoint: the network as it is initialised."""


def add_evaluations(parser: argparse.ArgumentParser) -> None:
    """A subcommand for each evaluation."""
    names = parser.add_subparsers(dest='name', metavar='NAME', required=True)
    for name in EVALUATIONS:
        module = import_module(f'{__package__}.{name.replace("-", "_")}')
        text = (module.__doc__ or '').splitlines()[0].rstrip('.')
        evaluation = names.add_parser(name, help=text, description=module.__doc__)
        add_common_options(evaluation)
        module.add_options(evaluation.add_argument_group('this evaluation'))
        evaluation.set_defaults(evaluation=module)


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Config, checkpoint, data, output and how to run."""
    parser.add_argument('config', help='config file')
    parser.add_argument(
        'checkpoint',
        help=f'file of weights; its teacher is evaluated. {UNTRAINED!r}: random weights',
    )
    parser.add_argument('--data', metavar='FOLDER', help="images in place of the config's")
    parser.add_argument('--data-root', metavar='FOLDER', help=DATA_ROOT_HELP)
    parser.add_argument('--images', type=int, help='so many at most, evenly spread over all')
    parser.add_argument('--student', action='store_true', help='evaluate the student instead')
    parser.add_argument('--json', help='file for the figures (<checkpoint>.<name>.json)')
    add_running_options(parser)


def add_running_options(parser: Any) -> None:
    """How features are computed."""
    parser.add_argument('--batch-size', type=int, help="images at once (the config's)")
    parser.add_argument('--workers', type=int, help="processes that decode (the config's)")
    parser.add_argument('--amp', action='store_true', help='bfloat16 instead of float32')
    parser.add_argument('--device', help='cpu, cuda, cuda:1 (cuda if there is one)')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, default={}, metavar='KEY=VALUE'
    )
    parser.add_argument('--launcher', choices=['none', *launch.WORLD_SIZE], default='none')
    parser.add_argument('--local-rank', '--local_rank', type=int, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> None:
    """Evaluates; the first process prints a table and writes the figures."""
    config = read_config(args)
    require_checkpoint(args.checkpoint)
    path = args.json or default_path(args.checkpoint, args.config, f'{args.name}.json')
    start(args)
    figures = args.evaluation.evaluate(config, args)
    if is_first_process():
        print(*table(figures), sep='\n')
        write_json(path, figures, settings(args))
        print(f'written to {path}')


def read_config(args: argparse.Namespace) -> Config:
    """The config with the command line's batch size and workers in its data loaders."""
    config = launch.read_config(args.config, args.cfg_options)
    for key, least in (('batch_size', 1), ('workers', 0)):
        value = getattr(args, key, None)
        if value is not None and value < least:
            raise ValueError(f'--{key.replace("_", "-")} is {value}: expected at least {least}')
    support = (config.get('val_cfg') or {}).get('support_dataloader')
    for loader in filter(None, (config.get('val_dataloader'), support)):
        for key, name in (('batch_size', 'batch_size'), ('workers', 'num_workers')):
            value = getattr(args, key, None)
            if value is not None:
                loader[name] = value
    return config


def require_checkpoint(checkpoint: str) -> None:
    """Raises ValueError if there is no such file."""
    if checkpoint != UNTRAINED and not Path(checkpoint).expanduser().is_file():
        raise ValueError(f'checkpoint {checkpoint} does not exist')


def default_path(checkpoint: str, config: str, ending: str) -> Path:
    """A file beside the checkpoint; in ``work_dirs/<config>`` for untrained weights."""
    if checkpoint == UNTRAINED:
        return Path('work_dirs', Path(config).stem, f'{UNTRAINED}.{ending}')
    return Path(checkpoint).expanduser().with_suffix(f'.{ending}')


def start(args: argparse.Namespace) -> None:
    """Joins the processes of a distributed evaluation."""
    from dinomm.distributed import join_processes

    if args.local_rank is not None:
        os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    join_processes(args.launcher)


def is_first_process() -> bool:
    """Whether this process speaks for all."""
    from mmengine.dist import is_main_process

    return is_main_process()


def load(config: Config, args: argparse.Namespace) -> Any:
    """The network that the command line names."""
    from dinomm.evaluation.network import load_network

    return load_network(config, args.checkpoint, args.student, args.amp, args.device)


def settings(args: argparse.Namespace) -> dict[str, Any]:
    """The command line as plain data, defaults included."""
    return {
        key: value
        for key, value in vars(args).items()
        if not isinstance(value, ModuleType) and key not in ('json', 'local_rank')
    }


def table(figures: dict[str, Any], indent: str = '') -> Iterator[str]:
    """Lines for a person: a name and its values, a nested dict below its name."""
    width = max((len(str(name)) for name in figures), default=0)
    for name, value in figures.items():
        if isinstance(value, dict):
            yield f'{indent}{name}'
            yield from table(value, f'{indent}  ')
        else:
            values = value if isinstance(value, list) else [value]
            yield f'{indent}{name!s:<{width}}  ' + ' '.join(map(_text, values))


def show(line: str) -> None:
    """A line about how far it is, on the error stream of the first process."""
    if is_first_process():
        print(line, file=sys.stderr, flush=True)


def _text(value: Any) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f'{value:8.4g}' if is_number else f'{value!s:>8}'
