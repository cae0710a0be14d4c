"""The command line of ``tools/export.py``: a pretrained backbone as a file that needs no dinomm."""

import argparse
import re
from pathlib import Path

from mmengine.config import Config, DictAction

from dinomm import launch
from dinomm.export.formats import FORMATS, format_of, require_packages

from . import evaluate as common

DTYPES = ('float32', 'float16', 'bfloat16')


def add_options(parser: argparse.ArgumentParser) -> None:
    """Network, file, form, check."""
    parser.add_argument('config', help='config file')
    parser.add_argument(
        'checkpoint', help=f'file of weights; its teacher is taken. {common.UNTRAINED!r}: random'
    )
    parser.add_argument('out', metavar='OUT', help='file; with several sizes, OUT_<size>')
    parser.add_argument('--format', choices=list(FORMATS), help="by OUT's ending, else onnx")
    parser.add_argument(
        '--size',
        nargs='+',
        metavar='PIXELS',
        help="of the images, 224 or 224x384 (height x width), a file each (the config's)",
    )
    parser.add_argument('--output', choices=['view', 'regions', 'both'], default='both')
    parser.add_argument(
        '--dtype', choices=DTYPES, default=DTYPES[0], help='of the computation, not of the outputs'
    )
    parser.add_argument(
        '--uint8', action='store_true', help='takes grey levels of 0 to 255, normalises inside'
    )
    parser.add_argument('--student', action='store_true', help='the student instead')
    parser.add_argument(
        '--check',
        type=int,
        default=4,
        metavar='N',
        help='compare with PyTorch on 1, 2 and N images (%(default)s; 0: write unchecked)',
    )
    parser.add_argument(
        '--tolerance', type=float, help='relative difference allowed (by the type: 1e-4, .02, .1)'
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, default={}, metavar='KEY=VALUE'
    )


def run(args: argparse.Namespace) -> None:
    """Exports; prints a line for each file.

    Raises:
        ValueError: Wrong use, or a file that differs from PyTorch.
    """
    if args.check < 0:
        raise ValueError(f'--check is {args.check}: expected 0 or more')
    if args.tolerance is not None and not args.tolerance > 0:
        raise ValueError(f'--tolerance is {args.tolerance}: expected more than 0')
    sizes = [parse_size(text) for text in args.size or ()]
    out = out_file(args.out, args.format)
    kind = format_of(out)
    require_packages((*kind.writers, *(kind.runners if args.check else ())))
    config = launch.read_config(args.config, args.cfg_options)
    common.require_checkpoint(args.checkpoint)
    export(config, args, sizes, out)


def parse_size(text: str) -> tuple[int, int]:
    """(height, width) of '224' or '224x384'."""
    found = re.fullmatch(r'([1-9]\d*)(?:x([1-9]\d*))?', text)
    if not found:
        raise ValueError(f'--size {text}: expected pixels such as 224, or height x width: 224x384')
    return int(found[1]), int(found[2] or found[1])


def out_file(out: str, name: str | None) -> Path:
    """OUT with the ending of its format."""
    path, endings = Path(out), {key: kind.ending for key, kind in FORMATS.items()}
    if path.is_dir():
        raise ValueError(f'OUT {out} is a folder: name a file in it')
    if path.suffix not in endings.values():
        return path.with_name(path.name + endings[name or 'onnx'])
    if name and path.suffix != endings[name]:
        raise ValueError(
            f'OUT {out} ends in {path.suffix}, --format {name} in {endings[name]}: make them agree'
        )
    return path


def out_of_size(out: Path, size: tuple[int, int], is_one_of_several: bool) -> Path:
    """OUT, or OUT_<size>."""
    height, width = size
    side = str(height) if height == width else f'{height}x{width}'
    return out.with_stem(f'{out.stem}_{side}') if is_one_of_several else out


def export(
    config: Config, args: argparse.Namespace, sizes: list[tuple[int, int]], out: Path
) -> None:
    """A file for each size; each appears when it is whole and checked."""
    import torch

    from dinomm.benchmark.report import processor
    from dinomm.evaluation.network import load_network, view_size
    from dinomm.export.capture import OUTPUTS, Form, capture, size_text
    from dinomm.export.check import TOLERANCE, compare
    from dinomm.export.metadata import describe, describe_source
    from dinomm.visualization.files import replaced_when_whole

    network = load_network(config, args.checkpoint, args.student, device='cpu')
    source = describe_source(args.config, args.checkpoint, args.student)
    dtype = getattr(torch, args.dtype)
    tolerance = args.tolerance or TOLERANCE[dtype]
    batches = sorted({1, min(2, args.check), args.check}) if args.check else []
    sizes = sizes or [(view_size(config),) * 2]
    files = {out_of_size(out, size, len(sizes) > 1): size for size in sizes}
    width = max(len(str(path)) for path in files)
    columns = [f'{n} image{"s" * (n > 1)}' for n in batches] + ['speed'] * bool(batches)
    print(row('file', width, 'pixels', 'MiB', *columns))
    for path, size in files.items():
        form = Form(size, OUTPUTS[args.output], dtype, args.uint8)
        captured = capture(network, form)
        with replaced_when_whole(path) as partial:
            metadata = {**describe(captured, network), **source}
            format_of(path).handler().write(captured, partial, metadata)
            result = compare(network, form, partial, batches)
            cells = [f'{difference:.1e}' for difference in result.differences.values()]
            cells += [f'{result.speed:.2f}'] * bool(batches)
            mebibytes = f'{partial.stat().st_size / 2**20:.1f}'
            print(row(str(path), width, size_text(size), mebibytes, *cells), flush=True)
            result.require(tolerance, str(path))
    if batches:
        print(
            'Images: largest difference to PyTorch in float32, relative to the largest feature; '
            f'{tolerance:g} is allowed.\n'
            f'Speed: times as fast as PyTorch in float32 on this machine ({processor()}, '
            f'{torch.get_num_threads()} threads), {args.check} images, median of rounds in turns.'
        )


def row(name: str, width: int, *cells: str) -> str:
    """A line of the table."""
    return f'{name:<{width}}' + ''.join(f'{cell:>9}' for cell in cells)
