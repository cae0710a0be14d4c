"""DINO's objective on view features."""

from collections.abc import Sequence

from torch import Tensor

from dinomm.models.tokens import Tokens, views
from dinomm.registry import MODELS

from .cross_view import cross_view_loss
from .prototype_head import PrototypeHead


@MODELS.register_module()
class DINOHead(PrototypeHead):
    """Projector, prototypes and the cross-view loss of DINO (arXiv 2104.14294, section 3.1).

<<<<<<< HEAD
    Its arguments are those of :class:`.PrototypeHead`; ``in_channels`` is the width of the view
    feature.
=======
    Owns all that its objective needs. Its interface stops at the bottleneck, so no tensor of
    rows x prototypes leaves it.

    Args:
        in_channels: C, the width of the backbone's view feature.
        num_prototypes: K, the number of prototypes.
        hidden_channels: Width of the projector's hidden layers.
        bottleneck_channels: D, the width before the prototypes.
        num_layers: Linear layers of the projector.
        batch_norm: Batch norm after each hidden layer (published for ResNet-50). Statistics are
            of all views together, of this process unless ``sync_bn`` is set in the config.
        fixed_length: Prototypes keep length 1 (advised for ViT-B; not for ViT-S).
        student_temp: Temperature of the student.
        teacher_temp: Temperature of the teacher: a number (0 for hard targets), or
            ``dict(start=.04, end=.07, warmup_epochs=30)``.
        centering: Config of the centering module; it is given ``num_prototypes``.
        loss_weight: Factor of this head's loss.
>>>>>>> main
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
        """The weighted loss (scalar); remembers the teacher's rows for the centre.

        Args:
            student: (V * B, D) bottleneck rows, view-major.
            teacher: (Q * B, D) of the Q global views.
            teacher_prototypes: (K, D) of the teacher's head.
            batch: B, the number of images.
        """
        loss = cross_view_loss(
            student.unflatten(0, (-1, batch)),
            self.prototypes.weight,
            teacher.unflatten(0, (-1, batch)),
            teacher_prototypes,
            self.targets,
            self.student_temp,
        )
        self.remember(teacher, teacher_prototypes)
        return self.loss_weight * loss
