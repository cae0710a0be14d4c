"""Evaluations of a pretrained backbone, one file each."""

from .knn import KNNAccuracy, knn_accuracy, knn_hits, knn_scores, nearest_neighbors
from .loops import KNNLoop

__all__ = [
    'KNNAccuracy',
    'KNNLoop',
    'knn_accuracy',
    'knn_hits',
    'knn_scores',
    'nearest_neighbors',
]
