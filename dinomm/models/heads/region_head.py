"""EsViT's objective on region features."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from dinomm.models.tokens import Tokens
from dinomm.registry import MODELS

from .head import TargetRows
from .prototype_head import PrototypeHead
from .region_matching import best_matches, pair_weights, region_matching_loss


class Regions(NamedTuple):
    """The regions of all views; one tensor a group of views of one size, view-major.

    Attributes:
        rows: (V * B, T, D) L2-normalised bottleneck rows of each group.
        features: (V * B, T, C) backbone features of each group, which are matched; no gradient.
    """

    rows: Sequence[Tensor]
    features: Sequence[Tensor]

    def sizes(self, batch: int) -> list[int]:
        """The number of regions of each view."""
        return [rows.shape[1] for rows in self.rows for _ in range(len(rows) // batch)]


@MODELS.register_module()
class RegionMatchingHead(PrototypeHead):
    """Projector, prototypes and the region loss of EsViT (arXiv 2106.09785, section 3.2, eq. 4).

    Every region of a student view learns the target of the region, among those that the teacher
    saw in another view of the image, whose backbone feature is most similar. A view's loss is the
    mean over its regions. Beside a ``DINOHead``, loss weights of .5 and .5 are the published
    code's, 1 and 1 the paper's.

    Its arguments are those of :class:`.PrototypeHead`; ``in_channels`` is the width of the region
    features. Works on every backbone that gives a map: cells of a map, or patch tokens.
    """

    uses_regions = 'all'

    def project(self, groups: Sequence[Tokens]) -> Regions:
        """Bottleneck rows of all groups' regions, in one call, and what they are matched by.

        Raises:
            ValueError: ``in_channels`` is not the backbone's width, or there are no regions.
        """
        features = [tokens.region for tokens in groups]
        if any(region.shape[1] == 0 for region in features):
            raise ValueError(
                'model.backbone gives no map, but RegionMatchingHead matches the cells of one: '
                'choose a backbone and an out_type or out_indices whose last output is a feature '
                'map or patch tokens, or remove the head from model.heads'
            )
        rows = self.bottleneck(torch.cat([region.flatten(0, 1) for region in features]))
        lengths = [region.shape[0] * region.shape[1] for region in features]
        return Regions(
            [
                part.unflatten(0, region.shape[:2])
                for part, region in zip(rows.split(lengths), features, strict=True)
            ],
            [region.detach() for region in features],
        )

    def loss(
        self, student: Regions, teacher: Regions, teacher_prototypes: Tensor, batch: int
    ) -> Tensor:
        """The weighted loss (scalar).

        Args:
            student: Of V views.
            teacher: Of the Q global views.
            teacher_prototypes: (K, D) of the teacher's head.
            batch: B, the number of images.
        """
        teacher_rows = by_image(teacher.rows, batch)
        self.see_teacher(teacher_rows.flatten(0, 1), teacher_prototypes)
        loss = region_matching_loss(
            by_image(student.rows, batch),
            self.prototypes.weight,
            teacher_rows,
            teacher_prototypes,
            *_matches(student, teacher, batch),
            self.targets,
            self.student_temp,
        )
        return self.loss_weight * loss

    def target_rows(self, student: Regions, teacher: Regions, batch: int) -> TargetRows:
        """Of the teacher's regions, each as often as it is matched."""
        matches, shares = _matches(student, teacher, batch)
        rows = by_image(teacher.rows, batch)
        weights = shares.new_zeros(rows.shape[:2])
        weights.scatter_add_(1, matches.flatten(1), shares.flatten().expand(batch, -1) / batch)
        return TargetRows(rows.flatten(0, 1), weights.flatten())


def _matches(student: Regions, teacher: Regions, batch: int) -> tuple[Tensor, Tensor]:
    """:func:`.best_matches` and :func:`.pair_weights` of the regions of all views."""
    sizes = teacher.sizes(batch)
    matches = best_matches(
        by_image(student.features, batch), by_image(teacher.features, batch), sizes
    )
    return matches, pair_weights(student.sizes(batch), len(sizes), matches.device)


def by_image(groups: Sequence[Tensor], batch: int) -> Tensor:
    """(B, sum V * T, C) from view-major groups (V * B, T, C): an image's regions side by side."""
    return torch.cat(
        [group.unflatten(0, (-1, batch)).transpose(0, 1).flatten(1, 2) for group in groups], dim=1
    )
