"""Golden check of the weighted k-NN vote."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch

from dinomm.evaluation.knn import knn_accuracy

from .result import Result, compare


def check_knn(arrays: Mapping[str, np.ndarray]) -> Iterator[Result]:
    """Top-1 and top-5 accuracy for every k of the file: exact."""
    support, support_labels, queries, query_labels = (
        torch.from_numpy(arrays[name])
        for name in ('train_features', 'train_labels', 'test_features', 'test_labels')
    )
    ks = arrays['k'].tolist()
    temperature = float(arrays['temperature'])
    accuracy = knn_accuracy(
        support, support_labels, queries, query_labels, ks, temperature=temperature
    )
    for k, expected in zip(ks, arrays['top1_top5'], strict=True):
        actual = [accuracy[f'top1_k{k}'], accuracy[f'top5_k{k}']]
        yield compare(f'top-1 and top-5 of {k} neighbours, percent', actual, expected, 0.0)
