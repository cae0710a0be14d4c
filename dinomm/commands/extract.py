"""The command line of ``tools/extract_features.py``: features of a folder as a file."""

import argparse
import os
from pathlib import Path
from typing import Any

from dinomm.data_paths import DATA_ROOT_HELP

from . import evaluate as common
from . import labelled_features

ENDINGS = ('.npz', '.parquet')


def add_options(parser: argparse.ArgumentParser) -> None:
    """Network, images, file."""
    parser.add_argument('config', help='config file')
    parser.add_argument(
        'checkpoint', help=f'file of weights; its teacher is used. {common.UNTRAINED!r}: random'
    )
    parser.add_argument('folder', help='folder of images, list file or tar shards')
    parser.add_argument('--out', required=True, metavar='FILE', help='.npz or .parquet')
    parser.add_argument(
        '--blocks',
        type=int,
        default=0,
        help='last blocks side by side, and the mean of the patches (the view feature alone)',
    )
    parser.add_argument('--data-root', metavar='FOLDER', help=DATA_ROOT_HELP)
    parser.add_argument('--student', action='store_true', help='the student instead')
    parser.add_argument('--images', type=int, help='so many at most, evenly spread over all')
    common.add_running_options(parser)
    labelled_features.add_options(parser)


def run(args: argparse.Namespace) -> None:
    """Extracts and writes."""
    if Path(args.out).suffix not in ENDINGS:
        raise ValueError(f'--out {args.out}: expected a file that ends in {" or ".join(ENDINGS)}')
    if args.blocks < 0:
        raise ValueError(f'--blocks is {args.blocks}: expected 0 or more')
    if args.out.endswith('.parquet'):
        require_pyarrow()
    config = common.read_config(args)
    common.require_checkpoint(args.checkpoint)
    common.start(args)
    from dinomm.evaluation.features import Reader, extract
    from dinomm.evaluation.labelled import folder_images, spread, whole

    images = spread(folder_images(config, args.folder, args.data_root), args.images)
    how = labelled_features.extraction(config, args)
    reader = Reader(args.blocks, args.feature_dtype)
    features = extract(common.load(config, args), images, reader, how)
    if common.is_first_process():
        write(args.out, features, whole(images).metainfo.get('classes'))
        rows, width = features.rows.shape
        print(f'{rows:,} features of {width} written to {args.out}')


def require_pyarrow() -> None:
    """Raises ValueError if it is not installed."""
    from importlib.util import find_spec

    if find_spec('pyarrow') is None:
        raise ValueError('writing parquet needs pyarrow: install it, or write an .npz file')


def write(path: str, features: Any, classes: tuple[str, ...] | None) -> None:
    """Writes rows, names and, where there are some, labels; whole, or not at all."""
    columns: dict[str, Any] = {'path': features.paths}
    if features.labels is not None:
        columns['label'] = features.labels.numpy()
        if classes is not None:
            columns['class'] = [classes[label] for label in features.labels.tolist()]
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f'.{file.name}.{os.getpid()}{file.suffix}')
    writer = _write_npz if file.suffix == '.npz' else _write_parquet
    try:
        writer(partial, features, columns)
        os.replace(partial, file)
    finally:
        partial.unlink(missing_ok=True)


def _write_npz(path: Path, features: Any, columns: dict[str, Any]) -> None:
    import numpy as np

    np.savez(path, features=features.rows.numpy(), widths=np.array(features.widths), **columns)


def _write_parquet(path: Path, features: Any, columns: dict[str, Any]) -> None:
    import pyarrow
    import pyarrow.parquet

    values = pyarrow.array(features.rows.numpy().reshape(-1))
    rows = pyarrow.FixedSizeListArray.from_arrays(values, features.rows.shape[1])
    pyarrow.parquet.write_table(pyarrow.table({**columns, 'feature': rows}), path)
