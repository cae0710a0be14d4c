#!/usr/bin/env python3
"""Measures dinomm against stated alternatives, in turns.

python tools/benchmark.py step dino     # a training step, against the same in plain PyTorch
python tools/benchmark.py step dinov2   # a training step, against it without its savings
python tools/benchmark.py step health   # what the health hook adds to DINO's training step
python tools/benchmark.py augment       # the input pipeline, against the published one
python tools/benchmark.py loader        # tar shards against files, and a million entries
python tools/benchmark.py features      # feature extraction, against torchvision's ImageFolder
python tools/benchmark.py swin          # Swin's window attention, against mmpretrain's
python tools/benchmark.py region-loss   # EsViT's region loss, against it as its equation reads
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dinomm import launch
from dinomm.benchmark.report import write_json

GOLDEN = Path(__file__).resolve().parents[1] / 'tests/data/golden/augment.npz'


def add_step(benchmarks) -> None:
    """Adds the benchmark of the training step."""
    from dinomm.benchmark.step import WIDTHS, StepSize

    default = StepSize()
    parser = benchmarks.add_parser(
        'step',
        help='a training step: DINO against plain PyTorch, DINOv2 against parts left out; what '
        'the health hook adds',
    )
    parser.add_argument('objective', choices=['dino', 'dinov2', 'health'])
    parser.add_argument('--backbone', choices=sorted(WIDTHS), default=default.backbone)
    parser.add_argument('--prototypes', type=int, default=default.num_prototypes)
    parser.add_argument('--batch', type=int, default=default.batch)
    parser.add_argument('--locals', type=int, default=default.num_local)
    parser.add_argument('--threads', type=int, default=default.threads)
    parser.add_argument('--rounds', type=int, default=3, help='measurements of each, in turns')
    parser.add_argument('--steps', type=int, default=3, help='timed steps a measurement')
    parser.set_defaults(measure=measure_step)


def measure_step(args: argparse.Namespace) -> dict:
    """Times the step."""
    from dinomm.benchmark.dinov2_step import DINOv2StepSize, compare_dinov2_steps
    from dinomm.benchmark.health_step import compare_health_steps
    from dinomm.benchmark.step import StepSize, compare_steps

    work = (args.backbone, args.prototypes, args.batch, args.locals)
    if args.objective in ('dino', 'health'):
        compare = compare_steps if args.objective == 'dino' else compare_health_steps
        return compare(StepSize(*work, threads=args.threads), args.rounds, args.steps, print)
    dinov2 = DINOv2StepSize(*work, threads=args.threads)
    return compare_dinov2_steps(dinov2, args.rounds, args.steps, print)


def add_augment(benchmarks) -> None:
    """Adds the benchmark of the input pipeline."""
    parser = benchmarks.add_parser(
        'augment', help="images a second, against torchvision's transforms on Pillow images"
    )
    parser.add_argument('--images', type=int, default=512, help='images a measurement')
    parser.add_argument('--batch', type=int, default=64)
    parser.add_argument('--workers', type=int, default=2)
    parser.add_argument('--rounds', type=int, default=5, help='measurements of each, in turns')
    parser.set_defaults(measure=measure_augment)


def measure_augment(args: argparse.Namespace) -> dict:
    """Times the pipeline, after a look at the equality of what is timed."""
    from dinomm.benchmark.augment import AugmentSize, compare_pipelines
    from dinomm.verification import verify

    checks: list[str] = []
    if not verify([GOLDEN], show=checks.append):
        print(*checks, sep='\n')
        raise SystemExit('error: the pipeline does not equal the published one: nothing was timed')
    print(f'golden vectors: {len(checks) - 2} differences, all within their tolerances')
    return compare_pipelines(AugmentSize(args.images, args.rounds, args.batch, args.workers), print)


def add_loader(benchmarks) -> None:
    """Adds the benchmark of tar shards and of very many entries."""
    from dinomm.benchmark.loader import LoaderSize

    default = LoaderSize()
    parser = benchmarks.add_parser('loader', help='tar shards against files, a million entries')
    parser.add_argument('--images', type=int, default=default.images, help='read in turns')
    parser.add_argument('--entries', type=int, default=default.entries, help='only listed')
    parser.add_argument('--rounds', type=int, default=default.rounds)
    parser.set_defaults(measure=measure_loader)


def measure_loader(args: argparse.Namespace) -> dict:
    """Times reading, and starts with many entries."""
    from dinomm.benchmark.loader import LoaderSize, compare_loaders

    return compare_loaders(LoaderSize(args.images, args.entries, args.rounds), print)


def add_swin(benchmarks) -> None:
    """Adds the benchmark of Swin's attention."""
    parser = benchmarks.add_parser('swin', help="Swin-T against mmpretrain's own attention")
    parser.add_argument('--window', type=int, nargs='+', choices=[7, 14], default=[7, 14])
    parser.add_argument('--batch', type=int, default=1, help='images of 2x224 and 8x96 crops')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--rounds', type=int, default=7, help='measurements of each, in turns')
    parser.set_defaults(measure=measure_swin)


def measure_swin(args: argparse.Namespace) -> dict:
    """Times forward and backward."""
    from dinomm.benchmark.swin import SwinSize, compare_attention

    figures = {}
    for window in args.window:
        print(f'window {window}')
        size = SwinSize(window, args.batch, args.threads, args.rounds)
        figures[f'window {window}'] = compare_attention(size, print)
    return figures


def add_region_loss(benchmarks) -> None:
    """Adds the benchmark of EsViT's region loss."""
    parser = benchmarks.add_parser(
        'region-loss', help="EsViT's region loss, against it as its equation reads"
    )
    parser.add_argument('--batches', type=int, nargs='+', default=[2, 4, 8], help='images')
    parser.add_argument('--prototypes', type=int, default=65536)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--rounds', type=int, default=3, help='measurements of each, in turns')
    parser.add_argument('--steps', type=int, default=3, help='timed steps a measurement')
    parser.set_defaults(measure=measure_region_loss)


def measure_region_loss(args: argparse.Namespace) -> dict:
    """Times the loss and its gradient, after a look at the equality of what is timed."""
    from dinomm.benchmark.region_loss import compare_region_losses

    batches = sorted(set(args.batches))
    return compare_region_losses(
        batches, args.prototypes, args.threads, args.rounds, args.steps, print
    )


def add_features(benchmarks) -> None:
    """Adds the benchmark of feature extraction."""
    parser = benchmarks.add_parser(
        'features', help="images a second of extraction, against torchvision's ImageFolder"
    )
    parser.add_argument(
        '--networks',
        nargs='+',
        default=['vit-0.5m', 'resnet18'],
        metavar='NAME',
        help='vit-0.5m, resnet18, vit-small-p16',
    )
    parser.add_argument('--images', type=int, default=512, help='JPEGs in a measurement')
    parser.add_argument('--long-sides', type=int, nargs='+', default=[500], metavar='PIXELS')
    parser.add_argument('--batch', type=int, default=64)
    parser.add_argument('--workers', type=int, default=2)
    parser.add_argument('--threads', type=int, default=1, help='of the network')
    parser.add_argument('--rounds', type=int, default=5, help='measurements of each, in turns')
    parser.set_defaults(measure=measure_features)


def measure_features(args: argparse.Namespace) -> dict:
    """Times extraction, after a look at the equality of the features."""
    from dinomm.benchmark.features import NETWORKS, FeatureSize, compare_extractions

    if unknown := set(args.networks) - set(NETWORKS):
        raise SystemExit(f'error: --networks {sorted(unknown)}: expected some of {list(NETWORKS)}')
    more = (args.batch, args.workers, args.threads, args.rounds)
    return {
        f'{network}, {side} pixels': compare_extractions(
            FeatureSize(network, args.images, side, *more), print
        )
        for side in args.long_sides
        for network in args.networks
    }


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    benchmarks = parser.add_subparsers(dest='benchmark', required=True)
    add_step(benchmarks)
    add_augment(benchmarks)
    add_loader(benchmarks)
    add_features(benchmarks)
    add_swin(benchmarks)
    add_region_loss(benchmarks)
    for benchmark in benchmarks.choices.values():
        benchmark.add_argument('--json', help='file to write the figures to, with machine and date')
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Runs the named benchmark."""
    figures = args.measure(args)
    if args.json:
        write_json(args.json, figures)


if __name__ == '__main__':
    arguments = parse_args()
    sys.exit(launch.run_tool(lambda: main(arguments)))
