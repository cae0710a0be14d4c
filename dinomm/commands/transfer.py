"""Several folders of labelled images: k-NN, logistic regression, linear, with intervals."""

import argparse
import os
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

from . import evaluate as common
from . import labelled_features


def add_options(parser: Any) -> None:
    """Folders and methods."""
    parser.add_argument(
        '--folders',
        nargs='+',
        required=True,
        metavar='FOLDER',
        help='each with train/ and val/ by class, or by class alone: a fifth is tested on',
    )
    add_method_options(parser)


def add_method_options(parser: Any) -> None:
    """What each network and folder is measured by."""
    parser.add_argument(
        '--methods',
        nargs='+',
        choices=['knn', 'logreg', 'linear'],
        default=['knn', 'logreg', 'linear'],
    )
    parser.add_argument('--k', type=int, default=20, help='neighbours (%(default)s)')
    parser.add_argument('--temperature', type=float, default=0.07, help='of the k-NN vote')
    parser.add_argument('--lr', type=float, nargs='+', help="of the linear probes (DINOv2's 13)")
    parser.add_argument('--epochs', type=int, default=100, help='of the linear probes')
    parser.add_argument('--resamples', type=int, default=1000, help='of the bootstrap')
    labelled_features.add_regression_options(parser)
    labelled_features.add_options(parser)


def evaluate(config: Config, args: argparse.Namespace) -> dict:
    """Accuracy with a 95 % interval by folder and method."""
    if args.data:
        raise ValueError('transfer takes --folders FOLDER..., not --data')
    folders = folder_names(args.folders)
    network = common.load(config, args)
    return {name: measure(network, config, args, folder) for name, folder in folders.items()}


def folder_names(folders: list[str]) -> dict[str, str]:
    """Folders by their last part, or by their whole path where two have the same."""
    from dinomm.data_paths import require_root

    for folder in folders:
        require_root(folder, '--folders')
    last = [os.path.basename(os.path.normpath(folder)) for folder in folders]
    return {
        name if last.count(name) == 1 else folder: folder
        for name, folder in zip(last, folders, strict=True)
    }


def measure(network: Any, config: Config, args: argparse.Namespace, folder: str) -> dict:
    """Figures of a network on a folder."""
    from dinomm.evaluation.labelled import labelled_sets
    from dinomm.evaluation.linear import BLOCKS, LEARNING_RATES
    from dinomm.evaluation.logreg import STRENGTHS
    from dinomm.evaluation.transfer import TransferSettings, measure_transfer
    from dinomm.models.blocks import num_blocks

    common.show(f'{folder}')
    read = min(max(BLOCKS), num_blocks(network.backbone)) if 'linear' in args.methods else 1
    train, test = labelled_features.train_and_test(
        network, labelled_sets(config, folder), config, args, read
    )
    settings = TransferSettings(
        methods=args.methods,
        k=args.k,
        temperature=args.temperature,
        strengths=args.C or STRENGTHS,
        learning_rates=args.lr or LEARNING_RATES,
        epochs=args.epochs,
        hold_out=args.hold_out,
        resamples=args.resamples,
        seed=args.seed,
    )
    device = next(network.parameters()).device
    found = measure_transfer(train, test, read, settings, device, common.show)
    return {'training images': len(train.rows), 'test images': len(test.rows), **found}


def table(figures: dict[str, dict]) -> Iterator[str]:
    """Lines: folders and methods as columns, networks as rows.

    Args:
        figures: By network, folder and method.
    """
    columns = [
        (folder, method)
        for folder, found in next(iter(figures.values())).items()
        for method in found
        if isinstance(found[method], dict)
    ]
    cells = [
        [name, *(_cell(found[folder][method]) for folder, method in columns)]
        for name, found in figures.items()
    ]
    rows = [['', *(folder for folder, _ in columns)], ['', *(method for _, method in columns)]]
    rows += cells
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        texts = [f'{text:<{width}}' for text, width in zip(row, widths, strict=True)]
        yield '  '.join(texts).rstrip()


def _cell(found: dict) -> str:
    low, high = found['interval']
    return f'{found["top1"]:.1f} ({low:.1f}-{high:.1f})'
