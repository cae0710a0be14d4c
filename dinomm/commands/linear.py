"""Linear probes on the frozen backbone: a grid of learning rates and blocks in one training."""

import argparse
from typing import Any

from mmengine.config import Config

from . import evaluate as common
from . import labelled_features


def add_options(parser: Any) -> None:
    """The grid, the training, its views."""
    parser.add_argument(
        '--cached', action='store_true', help='train on features of one central view'
    )
    parser.add_argument('--blocks', type=int, nargs='+', help='last blocks to read (1 4)')
    parser.add_argument(
        '--patches',
        choices=['no', 'yes', 'both'],
        default='both',
        help='append the mean of the last patch tokens, where a class token stands beside them',
    )
    parser.add_argument(
        '--lr', type=float, nargs='+', help="learning rates for 256 images (DINOv2's 13)"
    )
    parser.add_argument('--epochs', type=int, default=100)
    parser.add_argument('--crop-scale', type=float, nargs=2, default=[0.08, 1.0], metavar='AREA')
    parser.add_argument('--flip', type=float, default=0.5, metavar='PROB', help='mirror views')
    parser.add_argument('--save-head', metavar='FILE', help='for the weights of the best probe')
    labelled_features.add_hold_out(parser)
    labelled_features.add_options(parser)


def evaluate(config: Config, args: argparse.Namespace) -> dict:
    """The best probe over all epochs and the best of the last, both chosen on held-out images."""
    from dinomm.evaluation import probing
    from dinomm.evaluation.features import Reader, extract
    from dinomm.evaluation.labelled import labelled_sets, spread
    from dinomm.evaluation.linear import held_out_rows

    require_grid(args)
    sets = labelled_sets(config, args.data, args.data_root)
    network = common.load(config, args)
    how = labelled_features.extraction(config, args)
    read = most_blocks(network, args.blocks)
    reader = Reader(read, args.feature_dtype)
    train, test = spread(sets.train, args.images), spread(sets.test, args.images)
    tested = extract(network, test, reader, how, 'test images')
    settings = training_settings(args, how.batch_size, tested, read)
    if args.cached:
        features = extract(network, train, reader, how, 'training images')
        classes = features.classes().unique()
        held = held_out_rows(features.classes(), args.hold_out, args.seed)
        held_out, kept = probing.take(features, held), probing.take(features, ~held)
        source = probing.cached_source(kept, classes, settings)
        trained = len(kept.rows)
    else:
        numbers = sets.labels(train)
        classes = numbers.unique()
        held = held_out_rows(numbers, args.hold_out, args.seed)
        held_out = extract(network, part(train, held), reader, how, 'held-out images')
        kept = part(train, ~held)
        view = random_view(config, args)
        source = probing.augmented_source(network, kept, classes, view, reader, settings, how)
        trained = len(kept)
    device = next(network.parameters()).device
    found = probing.evaluate_probes(
        source, held_out, tested, classes, read, settings, device, common.show
    )
    if args.save_head and common.is_first_process():
        save_head(args.save_head, found, classes)
    figures = {
        'training images': trained,
        'held-out images': len(held_out.rows),
        'test images': len(tested.rows),
        **found.figures,
    }
    return figures | {'held-out top1 in the last epoch': by_probe(found)}


def require_grid(args: argparse.Namespace) -> None:
    """Raises ValueError if a number of the grid makes no sense."""
    if args.blocks is not None and min(args.blocks) < 1:
        raise ValueError(f'--blocks is {args.blocks}: expected numbers from 1')
    if args.lr is not None and min(args.lr) <= 0:
        raise ValueError(f'--lr is {args.lr}: expected positive numbers')
    if args.epochs < 1:
        raise ValueError(f'--epochs is {args.epochs}: expected at least 1')


def most_blocks(network: Any, blocks: list[int] | None) -> int:
    """How many of the last blocks are read; by default 4, or as many as there are."""
    from dinomm.evaluation.linear import BLOCKS
    from dinomm.models.blocks import num_blocks

    return max(blocks) if blocks else min(max(BLOCKS), num_blocks(network.backbone))


def training_settings(args: argparse.Namespace, batch_size: int, features: Any, read: int) -> Any:
    """The grid and the training, as the command line says."""
    from dinomm.evaluation.linear import LEARNING_RATES
    from dinomm.evaluation.probing import Settings, available_variants

    patches = {'no': [False], 'yes': [True], 'both': None}[args.patches]
    variants = available_variants(args.blocks, patches, features, read)
    return Settings(variants, args.lr or LEARNING_RATES, args.epochs, batch_size, args.seed)


def random_view(config: Config, args: argparse.Namespace) -> dict:
    """Published: a random part resized to the evaluation's size, mirrored every other time."""
    from dinomm.evaluation.network import view_size

    return {'size': view_size(config), 'scale': tuple(args.crop_scale), 'flip': args.flip}


def part(images: Any, rows: Any) -> Any:
    """Some of the images, by a mask."""
    from torch.utils.data import Subset

    from dinomm.evaluation.labelled import indices, whole

    places = [i for i, taken in zip(indices(images), rows.tolist(), strict=True) if taken]
    return Subset(whole(images), places)


def by_probe(found: Any) -> dict[str, float]:
    """Accuracies of the grid, for a table."""
    names = [
        f'blocks {variant.blocks}{" + patches" if variant.patches else ""}, lr {rate:g}'
        for variant, rate in found.probes.probes
    ]
    return dict(zip(names, found.training.accuracies[-1].tolist(), strict=True))


def save_head(path: str, found: Any, classes: Any) -> None:
    """Writes weight (K, C) and bias (K,) of the best probe, and what they are for."""
    import io

    import torch

    from dinomm.checkpoints.files import AtomicLocalBackend

    weight, bias, probe = found.probes.head(found.training.best.probe)
    content = {
        'weight': weight.cpu(),
        'bias': bias.cpu(),
        'blocks': probe.variant.blocks,
        'patches': probe.variant.patches,
        'labels': classes,
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    AtomicLocalBackend().put(buffer.getvalue(), path)
