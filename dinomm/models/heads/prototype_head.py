"""What heads share whose targets are probabilities over prototypes."""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from dinomm.engine.schedules import Clock, TeacherTemperature
from dinomm.models.init_cfg import loads_weights
from dinomm.registry import MODELS

from .head import Head
from .prototypes import Prototypes


def build_projector(
    in_channels: int, hidden_channels: int, bottleneck_channels: int, num_layers: int, norm: bool
) -> nn.Sequential:
    """MLP with GELU between its layers; module indices as in published checkpoints."""
    if num_layers < 1:
        raise ValueError(f'num_layers is {num_layers}: a projector has at least one layer')
    widths = [in_channels] + [hidden_channels] * (num_layers - 1) + [bottleneck_channels]
    layers: list[nn.Module] = []
    for i, (fan_in, fan_out) in enumerate(pairwise(widths)):
        layers.append(nn.Linear(fan_in, fan_out))
        if i < num_layers - 1:
            layers += [nn.BatchNorm1d(fan_out)] if norm else []
            layers.append(nn.GELU())
    return nn.Sequential(*layers)


class PrototypeHead(Head):
    """Projector, prototypes, centering and temperatures; a subclass adds ``project`` and ``loss``.

    ``project`` stops at the bottleneck, so no tensor of rows x prototypes leaves a head.

    Args:
        in_channels: C, the width of the backbone's features.
        num_prototypes: K, the number of prototypes.
        hidden_channels: Width of the projector's hidden layers.
        bottleneck_channels: D, the width before the prototypes.
        num_layers: Linear layers of the projector.
        batch_norm: Batch norm after each hidden layer (published for ResNet-50). Statistics are
            of all views together, of this process unless ``sync_bn`` is set in the config.
        fixed_length: Prototypes keep length 1 (advised for ViT-B; not for ViT-S).
        student_temp: Temperature of the student.
        teacher_temp: Temperature of the teacher: a number (0 for hard targets), or
            ``dict(start=.04, end=.07, warmup_epochs=30)``; see :class:`.TeacherTemperature`.
        centering: Config of the centering module; it is given ``num_prototypes``.
        loss_weight: Factor of this head's loss.
    """

    def __init__(
        self,
        in_channels: int,
        num_prototypes: int = 65536,
        hidden_channels: int = 2048,
        bottleneck_channels: int = 256,
        num_layers: int = 3,
        batch_norm: bool = False,
        fixed_length: bool = True,
        student_temp: float = 0.1,
        teacher_temp: float | dict = 0.04,
        centering: dict | None = None,
        loss_weight: float = 1.0,
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        if student_temp <= 0:
            raise ValueError(f'student_temp is {student_temp}: expected a number above 0')
        for key, value in (
            ('in_channels', in_channels),
            ('num_prototypes', num_prototypes),
            ('hidden_channels', hidden_channels),
            ('bottleneck_channels', bottleneck_channels),
        ):
            if value < 1:
                raise ValueError(
                    f'{type(self).__name__}.{key} is {value}: expected a number from 1'
                )
        self.in_channels = in_channels
        self.num_prototypes = num_prototypes
        self.student_temp = student_temp
        self.loss_weight = loss_weight
        self.temperature = TeacherTemperature.build(teacher_temp)
        self.teacher_temp = self.temperature.at(Clock(0, 1))
        self.projector = build_projector(
            in_channels, hidden_channels, bottleneck_channels, num_layers, batch_norm
        )
        self.prototypes = Prototypes(bottleneck_channels, num_prototypes, fixed_length)
        self.centering = MODELS.build(
            {'num_prototypes': num_prototypes, **(centering or {'type': 'dinomm.MeanCentering'})}
        )

    def init_weights(self) -> None:
        """Published initialisation: truncated normal of std .02 and zero biases in the MLP."""
        super().init_weights()
        if loads_weights(self.init_cfg):
            return
        for module in self.projector.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        self.prototypes.init_weights()

    def start_step(self, clock: Clock) -> None:
        """Sets the teacher's temperature."""
        self.teacher_temp = self.temperature.at(clock)

    def bottleneck(self, features: Tensor) -> Tensor:
        """L2-normalised bottleneck rows (N, D) of features (N, C).

        Raises:
            ValueError: ``in_channels`` is not the backbone's width.
        """
        if features.shape[-1] != self.in_channels:
            raise ValueError(
                f'in_channels of the head is {self.in_channels}, the backbone gives '
                f'{features.shape[-1]}: set model.heads.*.in_channels={features.shape[-1]}'
            )
        if (
            len(features) == 1
        ):  # batch norm refuses a single row; of two equal ones it takes the same
            return self.bottleneck(features.expand(2, -1))[:1]
        return F.normalize(self.projector(features), dim=-1, eps=1e-12)

    def targets(self, logits: Tensor) -> Tensor:
        """Target probabilities (..., K) of the teacher's logits, centred and sharpened."""
        return self.centering.targets(logits, self.teacher_temp)

    def see_teacher(self, rows: Tensor, prototypes: Tensor) -> None:
        """Shows all the teacher's rows (N, D) of a batch to the centering, before the targets."""
        self.centering.see(rows, prototypes, self.teacher_temp)

    def prototype_weights(self) -> Tensor:
        """(K, D), computed anew at each call."""
        return self.prototypes.weight

    def finish_step(self, performed: bool) -> None:
        """Moves the centre after a performed optimizer step; forgets the rows otherwise."""
        if performed:
            self.centering.update()
        else:
            self.centering.discard()
