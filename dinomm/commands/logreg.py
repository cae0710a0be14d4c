"""Logistic regression on frozen features by scikit-learn, its penalty chosen on held-out images."""

import argparse
from typing import Any

from mmengine.config import Config

from . import evaluate as common
from . import labelled_features


def add_options(parser: Any) -> None:
    """Penalties and features."""
    labelled_features.add_regression_options(parser)
    labelled_features.add_options(parser)


def evaluate(config: Config, args: argparse.Namespace) -> dict:
    """Top-1 accuracy on the test images with the chosen C."""
    from dinomm.evaluation.labelled import labelled_sets
    from dinomm.evaluation.logreg import STRENGTHS, fit_logistic_regression

    sets = labelled_sets(config, args.data, args.data_root)
    train, test = labelled_features.train_and_test(common.load(config, args), sets, config, args)
    fitted = fit_logistic_regression(
        train.rows,
        train.classes(),
        args.C or STRENGTHS,
        args.hold_out,
        args.seed,
        tell=common.show,
    )
    return {
        'training images': len(train.rows),
        'test images': len(test.rows),
        'C': fitted.strength,
        'held-out top1': fitted.held_out[fitted.strength],
        'top1': 100 * fitted.correct(test.rows, test.classes()).float().mean().item(),
        'held-out top1 by C': {f'{c:g}': accuracy for c, accuracy in fitted.held_out.items()},
    }
