"""The command line of ``tools/convert.py``: weights from one format to another."""

import argparse
from collections import Counter

from dinomm import weight_files
from dinomm.weight_files import AUTO, KINDS


def add_options(parser: argparse.ArgumentParser) -> None:
    """Formats, files, what to take."""
    parser.add_argument('source', metavar='FROM', help=f'{AUTO}, or one of {", ".join(KINDS)}')
    parser.add_argument('target', metavar='TO', help='one of the same formats')
    parser.add_argument('file', metavar='IN', help='file of weights, or a folder of huggingface')
    parser.add_argument(
        'out', metavar='OUT', help='.pth, .safetensors, or a folder (huggingface alone)'
    )
    parser.add_argument(
        '--heads', type=int, help="attention heads of a ViT (the config's, else one a 64 channels)"
    )
    parser.add_argument('--student', action='store_true', help="the student's backbone")
    parser.add_argument(
        '--backbone-only', action='store_true', help='leave heads and centres of a training out'
    )
    parser.add_argument(
        '--no-forward', action='store_true', help='compare names and shapes, no features'
    )
    parser.add_argument('--force', action='store_true', help='overwrite OUT')


def run(args: argparse.Namespace) -> None:
    """Converts and prints what became of the file."""
    weight_files.require_formats(args.source, args.target)
    weight_files.require_free(args.target, args.file, args.out, args.force)
    from dinomm.checkpoints import convert

    done = convert(
        args.source,
        args.target,
        args.file,
        args.out,
        heads=args.heads,
        student=args.student,
        backbone_only=args.backbone_only,
        forward=not args.no_forward,
        force=args.force,
    )
    print(f'{args.file}: {done.source}, {_in_words(done.form)}')
    print(f'tensors of the network that the result is for, by fate:\n{done.coverage.table()}')
    for reason, number in Counter(done.left_out.values()).items():
        names = [name for name, why in done.left_out.items() if why == reason]
        more = ' ...' if number > 2 else ''
        print(f'left out: {", ".join(names[:2])}{more} ({number}): {reason}')
    for note in done.notes:
        print(f'note: {note}')
    for name, difference in done.differences.items():
        print(f"features of {name}'s network against dinomm's: largest difference {difference:.1e}")
    what = 'teacher, student, heads and centres' if done.is_training else 'the backbone'
    print(f'written: {what}, {done.target}, {args.out}')
    if done.usage:
        print(f'load by: {done.usage}')


def _in_words(form) -> str:
    kind = type(form).__name__.removesuffix('Form')
    return f'{kind} of ' + ', '.join(f'{key} {value}' for key, value in form._asdict().items())
