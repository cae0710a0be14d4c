"""What evaluations on a folder of their own format share."""

import argparse
from pathlib import Path
from typing import Any

from mmengine.config import Config

from . import labelled_features


def data_folder(args: argparse.Namespace, what: str) -> Path:
    """The folder that ``--data`` names.

    Raises:
        ValueError: None was named, or there is none; ``what`` says what is expected in it.
    """
    if args.data is None:
        raise ValueError(f'--data is missing: name {what}')
    folder = Path(args.data).expanduser()
    if not folder.is_dir():
        raise ValueError(f'--data {args.data} is no folder: expected {what}')
    return folder


def require_whole(args: argparse.Namespace, what: str) -> None:
    """Raises ValueError if ``--images`` asks for a part of what has to be evaluated whole."""
    if args.images is not None:
        raise ValueError(f'--images {args.images}: {what} is evaluated whole, leave --images away')


def require_size(size: int) -> None:
    """Raises ValueError if an image would have no pixel."""
    if size < 1:
        raise ValueError(f'--size is {size}: expected pixels, at least 1')


def extraction(config: Config, args: argparse.Namespace, batch_size: int) -> Any:
    """How features are computed: as config and command line say, the batch by default as here."""
    how = labelled_features.extraction(config, args)
    return how._replace(batch_size=args.batch_size or batch_size)
