"""Evaluations of a pretrained backbone, one file each."""

from .knn import KNNAccuracy, few_shot_rows, knn_accuracy, knn_grid, knn_hits, knn_scores
from .loops import KNNLoop
from .neighbors import nearest_neighbors

__all__ = [
    'KNNAccuracy',
    'KNNLoop',
    'few_shot_rows',
    'knn_accuracy',
    'knn_grid',
    'knn_hits',
    'knn_scores',
    'nearest_neighbors',
]
