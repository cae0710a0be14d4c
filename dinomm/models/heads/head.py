"""What the model asks of every head."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from mmengine.model import BaseModule
from torch import Tensor

from dinomm.engine.schedules import Clock
from dinomm.models.tokens import Tokens


class TargetRows(NamedTuple):
    """The teacher's rows whose targets the student has learned in a step.

    Attributes:
        rows: (N, D) bottleneck rows.
        weights: (N,) how much of the loss each row's target makes up; 0 where nothing is learned.
    """

    rows: Tensor
    weights: Tensor


class Head(BaseModule):
    """One objective: ``project`` what either network says, then ``loss`` between the two.

    What ``project`` returns is the head's own form, and nobody else looks into it.

    Attributes:
        uses_regions: 'none', 'global' or 'all': of which views it reads the region features.
        uses_masks: Whether the student's global views are to be masked (``model.masking``).
        uses_anchor: Whether ``loss`` compares with the anchor (an earlier teacher, kept by
            ``GramAnchorHook``) and not with the teacher.
        in_channels: C, the width of the features it takes; None where any will do.
    """

    uses_regions: str = 'none'
    uses_masks = False
    uses_anchor = False
    in_channels: int | None = None

    def share(self, heads: dict[str, 'Head']) -> None:
        """Finds the head whose parameters this one uses too, if it does; called once, by name."""

    def start_step(self, clock: Clock) -> None:
        """Sets what depends on where the run stands."""

    def project(self, groups: Sequence[Tokens]) -> Any:
        """What ``loss`` takes of one network, from the tokens of each group of views."""
        raise NotImplementedError

    def loss(self, student: Any, teacher: Any, teacher_prototypes: Any, batch: int) -> Tensor:
        """The weighted loss (scalar).

        Args:
            student: Of all views, from :meth:`project`.
            teacher: Of the global views, likewise; of the anchor if the head uses that.
            teacher_prototypes: (K, D) of the teacher's head, or None if it has none.
            batch: B, the number of images.
        """
        raise NotImplementedError

    def target_rows(self, student: Any, teacher: Any, batch: int) -> TargetRows | None:
        """Of what ``loss`` was given; None where the targets are no probabilities."""
        return None

    def prototype_weights(self) -> Tensor | None:
        """(K, D), or None where the head has no prototypes."""
        return None

    def finish_step(self, performed: bool) -> None:
        """Ends an optimizer step, performed or skipped."""
