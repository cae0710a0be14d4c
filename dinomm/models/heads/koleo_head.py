"""DINOv2's objective that spreads the images' features."""

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from dinomm.engine.schedules import Clock
from dinomm.models.tokens import Tokens, views
from dinomm.registry import MODELS

from .gather import gather_rows
from .head import Head

EPS = 1e-8
SAME = 1e-6
"""Rows of unit length nearer than this are one image twice."""

WARNING_STEPS = 100


def nearest_distances(features: Tensor, others: Tensor | None = None, first: int = 0) -> Tensor:
    """The distance of each row, L2-normalised, to its nearest neighbour.

    In float32 whatever autocast says. The neighbour is found by the dot product; it gets a
    gradient too.

    Args:
        features: (N, C).
        others: (M, C) among which neighbours are sought, ``features`` among them; default those.
        first: Place of ``features[0]`` among the others.

    Returns:
        (N,); empty where there is no other row.
    """
    with torch.autocast(features.device.type, enabled=False):
        rows = F.normalize(features.float(), dim=-1, eps=EPS)
        pool = rows if others is None else F.normalize(others.float(), dim=-1, eps=EPS)
        if len(pool) < 2:
            return rows.sum(1)[:0]
        with torch.no_grad():
            similarity = rows @ pool.T
            places = torch.arange(len(rows), device=rows.device)
            similarity[places, places + first] = -1
            nearest = similarity.argmax(1)
        return F.pairwise_distance(rows, pool[nearest], eps=EPS)


def koleo_loss(distances: Tensor) -> Tensor:
    """- mean log of the distances to the nearest neighbours (arXiv 1806.03198, eq. 6).

    Rows that are equal have the distance ``EPS`` times the root of C, which keeps the loss finite;
    they have no direction to be pushed in, and so no gradient.

    Args:
        distances: (N,) from :func:`nearest_distances`.

    Returns:
        Scalar; 0 where there are none.
    """
    if len(distances) == 0:
        return distances.sum()
    pushed = torch.where(distances.detach() < SAME, distances.detach(), distances)
    return -(pushed + EPS).log().mean()


@MODELS.register_module()
class KoLeoHead(Head):
    """Pushes each image's view feature away from its nearest neighbour in the batch.

    DINOv2 (arXiv 2304.07193, section 4): for each global view of the student on its own, on the
    features before any head; the views' losses are added. It has no parameters. Neighbours are of
    this process and micro-batch, as published, so it needs two images or more in a process.

    Args:
        loss_weight: Factor of the loss; .1 published.
        over_ranks: Look for neighbours in the images of all processes, which must have the same
            number.
    """

    def __init__(self, loss_weight: float = 0.1, over_ranks: bool = False):
        super().__init__()
        self.loss_weight = loss_weight
        self.over_ranks = over_ranks
        self.equal_rows: Tensor
        self.register_buffer('equal_rows', torch.zeros(()), persistent=False)

    def start_step(self, clock: Clock) -> None:
        """Warns, at intervals, of images that are the same."""
        if clock.step % WARNING_STEPS == 0 and (equal := int(self.equal_rows)):
            self.equal_rows.zero_()
            warnings.warn(
                f'KoLeoHead met {equal} images within {WARNING_STEPS} steps whose feature equals '
                'that of another image of the batch: the features collapse, or images are in the '
                'data twice. Their part of the loss has no gradient',
                stacklevel=2,
            )

    def project(self, groups: Sequence[Tokens]) -> Tensor:
        """View features (sum N, C) of all groups."""
        return views(groups)

    def loss(
        self, student: Tensor, teacher: Tensor, teacher_prototypes: None, batch: int
    ) -> Tensor:
        """The weighted loss (scalar).

        Args:
            student: (V * B, C), view-major, the global views first.
            teacher: (Q * B, C); only Q is read.
            teacher_prototypes: None.
            batch: B, the number of images.
        """
        total = student.new_zeros((), dtype=torch.float32)
        for features in student[: len(teacher)].split(batch):
            pool = gather_rows(features) if self.over_ranks else ()
            distances = nearest_distances(features, *pool)
            self.equal_rows += (distances.detach() < SAME).sum()
            total = total + koleo_loss(distances)
        if len(distances) == 0:
            warnings.warn(
                'KoLeoHead has a batch of one image, which has no neighbour: its loss is 0. Raise '
                'train_dataloader.batch_size, or set over_ranks=True where there are processes',
                stacklevel=2,
            )
        return self.loss_weight * total
