"""How far features have moved from where they were."""

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dinomm.datasets import CenterView, LoadImage, MultiCrop, collate_views


def cosine_distance(features: Tensor, start: Tensor) -> Tensor:
    """Mean of 1 - cosine between rows of (N, C) and the same rows of the start; a scalar, 0 to 2.

    It sees every change of a feature, a common rotation of all too.
    """
    return 1 - F.cosine_similarity(features.float(), start.float()).mean()


def linear_cka(features: Tensor, start: Tensor) -> Tensor:
    """Linear CKA of (N, C) and (N, C') (Kornblith et al., arXiv 1905.00414, eq. 3); a scalar.

    1 for features that are alike up to rotation, shift and scale. With few images (N below a few
    times C) it is near 1 for unlike features as well.
    """
    x, y = (rows.double() - rows.double().mean(0) for rows in (features, start))
    x, y = x @ x.mT, y @ y.mT  # (N, N), which is the smaller for few images
    return (x * y).sum() / (x.norm() * y.norm()).clamp(min=1e-30)


def as_evaluated(dataset: Any) -> Any:
    """The training images as an evaluation sees them: a centre view of the first view's size.

    Args:
        dataset: An `ImageFiles` with `MultiCrop` in its pipeline; other transforms stay.

    Raises:
        ValueError: It has none.
    """
    pipeline = list(getattr(dataset, 'pipeline', ()))
    crops = [step for step in pipeline if isinstance(step, MultiCrop)]
    if not crops:
        raise ValueError(
            'train_dataloader.dataset.pipeline has no MultiCrop that a centre view could replace: '
            'name images with one view each by FeatureDriftHook.dataset, as val_dataloader.dataset'
        )
    size = crops[0].sizes[0]
    center = CenterView(size, short_side=round(size * 256 / 224))
    replaced = {LoadImage: LoadImage(), MultiCrop: center}
    evaluated = copy.copy(dataset)
    evaluated.pipeline = [replaced.get(type(step), step) for step in pipeline]
    return evaluated


def spread_batches(dataset: Any, num_images: int, batch_size: int) -> list[dict]:
    """So many images, evenly spread over all, in batches as a data loader gives them."""
    number = min(num_images, len(dataset))
    places = np.linspace(0, len(dataset) - 1, number).round().astype(int).tolist()
    return [
        collate_views([dataset[place] for place in places[first : first + batch_size]])
        for first in range(0, number, batch_size)
    ]


def view_features(model: Any, batches: list[dict], student: bool) -> Tensor:
    """(N, C) float32 view features of the student or the teacher in evaluation mode."""
    return torch.cat([model.extract_view_features(batch, student) for batch in batches])
