"""The command line of ``tools/compare.py``: networks side by side on folders of labelled images."""

import argparse
from pathlib import Path
from typing import Any

from dinomm.benchmark.report import write_json

from . import evaluate as common
from . import transfer


def add_options(parser: argparse.ArgumentParser) -> None:
    """Networks, folders, methods."""
    parser.add_argument(
        '--network',
        nargs=2,
        action='append',
        required=True,
        metavar=('CONFIG', 'CHECKPOINT'),
        help='again for each network; supervised weights of the same backbone are one too',
    )
    parser.add_argument('--names', nargs='+', help='of the networks (the checkpoints)')
    parser.add_argument(
        '--no-untrained', action='store_true', help='leave out the untrained twin of each config'
    )
    parser.add_argument('--student', action='store_true', help='measure students, not teachers')
    parser.add_argument('--json', default='compare.json', help='file for the figures (%(default)s)')
    parser.add_argument('--images', type=int, help='so many of each set at most')
    common.add_running_options(parser)
    transfer.add_options(parser)


def run(args: argparse.Namespace) -> None:
    """Measures each network on each folder; the first process prints the table."""
    networks = named_networks(args)
    folders = transfer.folder_names(args.folders)
    for _, checkpoint in networks.values():
        common.require_checkpoint(checkpoint)
    configs = {
        path: common.read_config(of_network(args, path, '')) for path, _ in networks.values()
    }
    common.start(args)
    figures = {}
    for name, (path, checkpoint) in networks.items():
        common.show(name)
        own = of_network(args, path, checkpoint)
        network = common.load(configs[path], own)
        figures[name] = {
            folder: transfer.measure(network, configs[path], own, root)
            for folder, root in folders.items()
        }
    if common.is_first_process():
        print(*transfer.table(figures), sep='\n')
        print('top-1 in percent, with the 95 % interval over the test images')
        write_json(args.json, figures, common.settings(args))
        print(f'written to {args.json}')


def of_network(args: argparse.Namespace, config: str, checkpoint: str) -> argparse.Namespace:
    """The command line for one network."""
    student = args.student and checkpoint != common.UNTRAINED
    return argparse.Namespace(
        **{**vars(args), 'config': config, 'checkpoint': checkpoint, 'student': student}
    )


def named_networks(args: argparse.Namespace) -> dict[str, tuple[str, str]]:
    """Config and checkpoint by name: the untrained twins last."""
    names = args.names or [_short(config, checkpoint) for config, checkpoint in args.network]
    if len(names) != len(args.network) or len(set(names)) != len(names):
        raise ValueError(
            f'{len(args.network)} networks need as many different --names, but they are {names}'
        )
    networks: dict[str, Any] = {
        name: tuple(network) for name, network in zip(names, args.network, strict=True)
    }
    configs = dict.fromkeys(config for config, _ in args.network)
    for config in () if args.no_untrained else configs:
        twin = (config, common.UNTRAINED)
        if twin not in networks.values():
            name = common.UNTRAINED
            networks[name if len(configs) == 1 else f'{name} {Path(config).stem}'] = twin
    return networks


def _short(config: str, checkpoint: str) -> str:
    if checkpoint == common.UNTRAINED:
        return f'{checkpoint} {Path(config).stem}'
    return str(Path(*Path(checkpoint).parts[-2:]).with_suffix(''))
