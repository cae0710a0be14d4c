"""Weighted k-NN accuracy, also few-shot, for several k and temperatures at once."""

import argparse
from typing import Any

from mmengine.config import Config

from . import evaluate as common
from . import labelled_features


def add_options(parser: Any) -> None:
    """Votes, shots, search."""
    parser.add_argument('--k', type=int, nargs='+', default=[10, 20, 100, 200], help='neighbours')
    parser.add_argument('--temperature', type=float, nargs='+', default=[0.07])
    parser.add_argument('--topk', type=int, nargs='+', default=[1, 5], help='n of top-n')
    parser.add_argument(
        '--shots', type=int, nargs='+', default=[], help='few-shot: so many images of each class'
    )
    parser.add_argument('--tries', type=int, default=5, help='draws of each number of shots')
    parser.add_argument('--search', choices=['torch', 'faiss'], default='torch')
    labelled_features.add_options(parser)


def evaluate(config: Config, args: argparse.Namespace) -> dict:
    """Percentages for each temperature, with all images and with few."""
    import torch

    from dinomm.evaluation.knn import few_shot_rows, knn_grid
    from dinomm.evaluation.labelled import labelled_sets

    if args.tries < 1:
        raise ValueError(f'--tries is {args.tries}: expected at least 1')
    sets = labelled_sets(config, args.data, args.data_root)
    network = common.load(config, args)
    train, test = labelled_features.train_and_test(network, sets, config, args)
    device = next(network.parameters()).device
    queries, labels = test.rows.to(device), test.classes().to(device)

    def accuracies(rows: torch.Tensor | slice) -> dict:
        votes = (args.k, args.temperature, args.topk, args.search)
        return knn_grid(train.rows[rows], train.classes()[rows], queries, labels, *votes)

    figures: dict = {'training images': len(train.rows), 'test images': len(test.rows)}
    figures |= accuracies(slice(None))
    for shots in args.shots:
        tries = [
            accuracies(few_shot_rows(train.classes(), shots, args.seed + number))
            for number in range(args.tries)
        ]
        figures[f'{shots} of each class'] = mean_and_spread(tries)
    return figures


def mean_and_spread(tries: list[dict]) -> dict:
    """For each temperature and name the mean and the standard deviation over the tries."""
    from statistics import fmean, pstdev

    return {
        temperature: {
            name: [fmean(values), pstdev(values)]
            for name in figures
            for values in [[found[temperature][name] for found in tries]]
        }
        for temperature, figures in tries[0].items()
    }
