"""DINO's objective on view features."""

from collections.abc import Sequence

from torch import Tensor

from dinomm.models.tokens import Tokens, views
from dinomm.registry import MODELS

from .cross_view import cross_view_loss
from .head import TargetRows
from .prototype_head import PrototypeHead


@MODELS.register_module()
class DINOHead(PrototypeHead):
    """Projector, prototypes and the cross-view loss of DINO (arXiv 2104.14294, section 3.1).

    Its arguments are those of :class:`.PrototypeHead`; ``in_channels`` is the width of the view
    feature.
    """

    def project(self, groups: Sequence[Tokens]) -> Tensor:
        """L2-normalised bottleneck rows (sum N, D) of all groups' views, in one call.

        Raises:
            ValueError: ``in_channels`` is not the backbone's width.
        """
        return self.bottleneck(views(groups))

    def loss(
        self, student: Tensor, teacher: Tensor, teacher_prototypes: Tensor, batch: int
    ) -> Tensor:
        """The weighted loss (scalar).

        Args:
            student: (V * B, D) bottleneck rows, view-major.
            teacher: (Q * B, D) of the Q global views.
            teacher_prototypes: (K, D) of the teacher's head.
            batch: B, the number of images.
        """
        self.see_teacher(teacher, teacher_prototypes)
        loss = cross_view_loss(
            student.unflatten(0, (-1, batch)),
            self.prototypes.weight,
            teacher.unflatten(0, (-1, batch)),
            teacher_prototypes,
            self.targets,
            self.student_temp,
        )
        return self.loss_weight * loss

    def target_rows(self, student: Tensor, teacher: Tensor, batch: int) -> TargetRows:
        """Of all global views alike: each is matched with as many others."""
        return TargetRows(teacher, teacher.new_full(teacher.shape[:1], 1 / len(teacher)))
