"""DINOv3's objective that keeps the similarities between an image's patches."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from dinomm.models.tokens import Tokens
from dinomm.registry import MODELS

from .head import Head


@MODELS.register_module()
class GramHead(Head):
    """Holds the student's patch similarities to those of the anchor, an earlier teacher.

    DINOv3 (arXiv 2508.10104, section 4): mean squared difference between X_s X_s^T and X_a X_a^T,
    X the L2-normalised region features of a global view. Over long runs it keeps region features
    from degrading. ``GramAnchorHook`` keeps the anchor; until it has one the loss is 0. The head
    has no parameters.

    Args:
        loss_weight: Factor of the loss; 2 published.
        clip_negative: Similarities below 0 count as 0, on both sides.
    """

    uses_regions = 'global'
    uses_anchor = True

    def __init__(self, loss_weight: float = 2.0, clip_negative: bool = False):
        super().__init__()
        self.loss_weight = loss_weight
        self.clip_negative = clip_negative

    def project(self, groups: Sequence[Tokens]) -> list[Tensor]:
        """L2-normalised region features (N, T, C) of each group, float32; of groups with regions.

        Raises:
            ValueError: There are no regions.
        """
        regions = [tokens.region for tokens in groups if tokens.region.shape[1]]
        if not regions:
            raise ValueError(
                'model.backbone gives no map, but GramHead compares the cells of one: choose a '
                'backbone whose last output is a feature map or patch tokens'
            )
        return [F.normalize(region.float(), dim=-1) for region in regions]

    def loss(
        self, student: list[Tensor], teacher: list[Tensor], teacher_prototypes: None, batch: int
    ) -> Tensor:
        """The weighted loss (scalar).

        Args:
            student: Regions of the student's views, the global ones first.
            teacher: Of the anchor's global views.
            teacher_prototypes: None.
            batch: Unused.
        """
        views = sum(map(len, teacher))
        total = torch.zeros((), device=teacher[0].device)
        for ours, theirs in zip(student, teacher, strict=False):
            with torch.autocast(theirs.device.type, enabled=False):
                difference = self._similarity(ours[: len(theirs)]) - self._similarity(theirs)
                total = total + difference.square().mean((1, 2)).sum()
        return self.loss_weight * total / views

    def _similarity(self, regions: Tensor) -> Tensor:
        similarity = regions @ regions.mT
        return similarity.clamp(min=0) if self.clip_negative else similarity
