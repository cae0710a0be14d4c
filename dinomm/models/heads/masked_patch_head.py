"""iBOT's objective on masked patches."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dinomm.models.tokens import Tokens
from dinomm.registry import MODELS

from .head import Head, TargetRows
from .prototype_head import PrototypeHead
from .row_loss import row_loss


class MaskedRows(NamedTuple):
    """The masked cells of all global views.

    Attributes:
        rows: (M, D) L2-normalised bottleneck rows.
        weights: (M,) the share of each in the mean over the views.
    """

    rows: Tensor
    weights: Tensor


@MODELS.register_module()
class MaskedPatchHead(PrototypeHead):
    """The student tells from what it sees what the teacher sees under the mask.

    iBOT (arXiv 2111.07832, eq. 2), DINOv2 (arXiv 2304.07193, section 4): the student's masked
    cells learn the targets that the teacher gives for the same cells of the same, unmasked view.
    A view's loss is the mean over its masked cells, the loss the mean over the global views,
    masked or not. Projector and prototypes see the masked cells alone, and so does the centering
    (iBOT's centre is the mean of all cells). It needs ``model.masking``.

    Args:
        in_channels: C, the width of the region features.
        tied_to: Name of the head in ``model.heads`` whose projector and prototypes are used here
            too; centering, temperatures and weight stay this head's own. Without it the head has
            its own (untied).
        kwargs: Of :class:`.PrototypeHead`; if tied, those of the projector are the other head's.
    """

    uses_regions = 'global'
    uses_masks = True

    def __init__(self, in_channels: int, tied_to: str | None = None, **kwargs):
        super().__init__(in_channels, **kwargs)
        self.tied_to = tied_to
        if tied_to is not None:
            del self.projector, self.prototypes

    def share(self, heads: dict[str, Head]) -> None:
        """Takes projector and prototypes of ``heads[tied_to]``, without registering them.

        Raises:
            ValueError: There is no such head, or it has other prototypes.
        """
        if self.tied_to is None:
            return
        other: Any = heads.get(self.tied_to)
        if not isinstance(other, PrototypeHead) or other is self:
            named = [name for name, head in heads.items() if isinstance(head, PrototypeHead)]
            raise ValueError(
                f'MaskedPatchHead.tied_to is {self.tied_to!r}: expected another head of '
                f'model.heads with prototypes, one of {named}, or None for one of its own'
            )
        if other.num_prototypes != self.num_prototypes:
            raise ValueError(
                f'MaskedPatchHead.num_prototypes is {self.num_prototypes}, but model.heads.'
                f'{self.tied_to}, to which it is tied, has {other.num_prototypes}: make them equal'
            )
        object.__setattr__(self, 'projector', other.projector)
        object.__setattr__(self, 'prototypes', other.prototypes)

    def init_weights(self) -> None:
        """As the base class; tied parameters are initialised where they belong."""
        if self.tied_to is None:
            super().init_weights()

    def project(self, groups: Sequence[Tokens]) -> MaskedRows:
        """Bottleneck rows of the masked cells, in one call.

        Raises:
            ValueError: ``in_channels`` is not the backbone's width, or there are no masks.
        """
        masked = [(tokens.region, tokens.masks) for tokens in groups if tokens.masks is not None]
        if not masked:
            raise ValueError(
                'MaskedPatchHead needs masked views: set model.masking=dict(type="PatchMasking")'
            )
        cells = torch.cat([region.flatten(0, 1)[masks.rows] for region, masks in masked])
        return MaskedRows(self.bottleneck(cells), torch.cat([masks.weights for _, masks in masked]))

    def loss(
        self, student: MaskedRows, teacher: MaskedRows, teacher_prototypes: Tensor, batch: int
    ) -> Tensor:
        """The weighted loss (scalar).

        Args:
            student: Of the masked views.
            teacher: Of the same cells in the same views, unmasked.
            teacher_prototypes: (K, D) of the teacher's head.
            batch: Unused: the weights know it.
        """
        self.see_teacher(teacher.rows, teacher_prototypes)
        loss = row_loss(
            student.rows,
            self.prototypes.weight,
            teacher.rows,
            teacher_prototypes,
            student.weights,
            self.targets,
            self.student_temp,
        )
        return self.loss_weight * loss

    def target_rows(self, student: MaskedRows, teacher: MaskedRows, batch: int) -> TargetRows:
        """Of the masked cells; the weights sum to the share of views that are masked."""
        return TargetRows(teacher.rows, student.weights)
