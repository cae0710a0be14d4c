"""The masked-patch objective as its equation reads: what dinomm's is measured against."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from dinomm.models import MaskedPatchHead, Tokens


class AllPatchesHead(MaskedPatchHead):
    """Projects all patches of the global views, and picks the masked rows of all logits."""

    def project(self, groups: Sequence[Tokens]) -> Any:
        """Logits (N, T, K) of all patches, and the masks."""
        tokens = groups[0]
        return self.prototypes(self.bottleneck(tokens.region)), tokens.masks

    def loss(self, student: Any, teacher: Any, teacher_prototypes: Tensor, batch: int) -> Tensor:
        """The weighted loss (scalar), of mean centering."""
        logits, masks = student
        targets = self.targets(teacher[0])
        self.centering.accumulate(teacher[0].flatten(0, 1)[masks.rows].sum(0), len(masks.rows))
        losses = -(targets * F.log_softmax(logits / self.student_temp, dim=-1)).sum(-1)
        return self.loss_weight * (losses.flatten()[masks.rows] * masks.weights).sum()
