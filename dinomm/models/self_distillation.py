"""The one algorithm: a student learns from the average of its own past."""

import torch
from mmengine.model import ModuleDict
from mmpretrain.models.selfsup import BaseSelfSupervisor
from torch import Tensor, nn

from dinomm.registry import MODELS

from .backbones import speed_up
from .preprocessor import ViewGroup
from .tokens import Tokens, encode, width_of


@MODELS.register_module()
class SelfDistillation(BaseSelfSupervisor):
    """A backbone and a set of heads, trained against an EMA teacher of the same form.

    DINO, EsViT and DINOv2 are configs of this class: they differ in their heads. The teacher is
    kept by ``TeacherEMAHook`` and only attached here: it is no submodule, so neither the
    optimizer, nor DDP, nor ``state_dict`` sees it.

    Args:
        backbone: Config of a backbone that ``dinomm.models.tokens`` knows.
        heads: Name to config of a head; the name appears in the log as ``loss_<name>``.
        num_global_views: Q, how many views, counted from the first, the teacher sees.
        compile_backbone: True or the arguments of ``torch.compile`` for both backbones.
        data_preprocessor: Config; ``MultiCropPreprocessor`` by default.
    """

    def __init__(
        self,
        backbone: dict,
        heads: dict,
        num_global_views: int = 2,
        compile_backbone: bool | dict = False,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ):
        preprocessor = {'type': 'dinomm.MultiCropPreprocessor', **(data_preprocessor or {})}
        super().__init__(
            speed_up(MODELS.build(backbone)),
            data_preprocessor=MODELS.build(preprocessor),
            init_cfg=init_cfg,
        )
        if not heads:
            raise ValueError('model.heads is empty: name at least one head, e.g. view=DINOHead')
        if num_global_views < 1:
            raise ValueError(
                f'model.num_global_views is {num_global_views}: the teacher needs at least one view'
            )
        self.heads = ModuleDict({name: MODELS.build(head) for name, head in heads.items()})
        self.num_global_views = num_global_views
        self.compile_backbone = compile_backbone
        self._check_widths()
        object.__setattr__(self, '_teacher', None)

    def _check_widths(self) -> None:
        width = width_of(self.backbone)
        for name, head in self.heads.items():
            if width is not None and head.in_channels != width:
                raise ValueError(
                    f'model.heads.{name}.in_channels is {head.in_channels}, but the features of '
                    f'model.backbone ({type(self.backbone).__name__}) are {width} wide: set '
                    f'model.heads.{name}.in_channels={width}'
                )

    # ---- teacher

    def attach_teacher(self, teacher: 'SelfDistillation') -> None:
        """Takes ``teacher`` as the network that gives the targets, without registering it."""
        object.__setattr__(self, '_teacher', teacher)

    @property
    def teacher(self) -> 'SelfDistillation':
        """The attached teacher.

        Raises:
            RuntimeError: There is none.
        """
        if self._teacher is None:
            raise RuntimeError(
                'SelfDistillation has no teacher: add dict(type="TeacherEMAHook") to custom_hooks'
            )
        return self._teacher

    def evaluated(self) -> 'SelfDistillation':
        """The network to evaluate: the teacher if one is attached, else this one."""
        return self if self._teacher is None else self._teacher

    def compile_networks(self) -> None:
        """Compiles both backbones if asked for; after the teacher exists, never before."""
        if self.compile_backbone:
            options = self.compile_backbone if isinstance(self.compile_backbone, dict) else {}
            for network in (self, self.teacher):
                network.backbone.compile(**options)

    # ---- a step

    def start_epoch(self, epoch: int) -> None:
        """Tells the heads the epoch, counted from 0 in performed optimizer steps."""
        for head in self.heads.values():
            head.start_epoch(epoch)

    def loss(self, inputs: list[ViewGroup], data_samples=None) -> dict[str, Tensor]:
        """The loss of each head as ``loss_<name>``.

        Args:
            inputs: Groups of views, globals first.
            data_samples: Unused: no label is looked at.
        """
        teacher = self.teacher
        regions = any(head.uses_regions for head in self.heads.values())
        batch = len(inputs[0].images) // inputs[0].num_views
        with torch.no_grad():
            teacher_tokens = teacher.extract_feat(self._global_views(inputs, batch), regions)
        student_tokens = self.extract_feat(inputs, regions)
        losses = {}
        for name, head in self.heads.items():
            teacher_head = teacher.heads[name]
            with torch.no_grad():
                projected = teacher_head.project(teacher_tokens)
                teacher_prototypes = teacher_head.prototypes.weight
            losses[f'loss_{name}'] = head.loss(
                head.project(student_tokens), projected, teacher_prototypes, batch
            )
        return losses

    def finish_step(self, performed: bool) -> None:
        """Ends an optimizer step: the heads' centres move if it was performed."""
        for head in self.heads.values():
            head.finish_step(performed)

    def _global_views(self, inputs: list[ViewGroup], batch: int) -> list[ViewGroup]:
        groups, missing = [], self.num_global_views
        for images, num_views in inputs:
            taken = min(num_views, missing)
            if taken:
                groups.append(ViewGroup(images[: taken * batch], taken))
            missing -= taken
        if missing:
            raise ValueError(
                f'the data give {self.num_global_views - missing} views, model.num_global_views '
                f'is {self.num_global_views}: lower it or add views to MultiCrop'
            )
        return groups

    # ---- features

    def extract_feat(self, inputs: list[ViewGroup], regions: bool = True) -> list[Tokens]:
        """Tokens of each group, one backbone pass a group; see :func:`.encode` for ``regions``."""
        return [encode(self.backbone, group.images, regions) for group in inputs]

    @torch.no_grad()
    def extract_view_features(self, data: dict) -> Tensor:
        """View features (N, C), float32, of the evaluated network in eval mode.

        Args:
            data: A batch of the data loader, with one view an image.
        """
        network = self.evaluated()
        inputs = self.data_preprocessor(data, False)['inputs']
        training = [module for module in network.modules() if module.training]
        nn.Module.train(network, False)
        try:
            return network.extract_feat(inputs, regions=False)[0].view.float()
        finally:
            for module in training:
                module.training = True
