"""The entropy of each head's attention in the last block, in bits."""

import argparse
from typing import Any

from mmengine.config import Config

from . import evaluate as common


def add_options(parser: Any) -> None:
    """None but the common ones."""


def evaluate(config: Config, args: argparse.Namespace) -> dict:
    """Entropies of the heads and their mean."""
    from dinomm.evaluation.attention import measure_entropy
    from dinomm.evaluation.network import evaluation_loader

    batches = evaluation_loader(config, args.data, max_images=args.images)
    return measure_entropy(common.load(config, args), batches)
