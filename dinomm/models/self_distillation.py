"""The one algorithm: a student learns from the average of its own past."""

from collections.abc import Sequence

import torch
from mmengine.model import ModuleDict
from mmpretrain.models.selfsup import BaseSelfSupervisor
from torch import Tensor, nn

from dinomm.engine.batch_part import BatchPart
from dinomm.engine.measures import StepMeasures
from dinomm.engine.schedules import Clock
from dinomm.registry import MODELS

from .backbones import speed_up
from .masking import Masks, masks_of_groups
from .preprocessor import ViewGroup
from .tokens import Tokens, encode_groups, mask_grid, width_of


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
        masking: Config of the masks of the student's global views, e.g. ``PatchMasking``.
        compile_backbone: True or the arguments of ``torch.compile`` for both backbones.
        data_preprocessor: Config; ``MultiCropPreprocessor`` by default.
    """

    def __init__(
        self,
        backbone: dict,
        heads: dict,
        num_global_views: int = 2,
        masking: dict | None = None,
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
        self.masking = MODELS.build(masking) if masking else None
        self._clock, self._part = Clock(0, 1), BatchPart()
        for head in self.heads.values():
            head.share(dict(self.heads.items()))
        self._check_heads()
        object.__setattr__(self, '_teacher', None)
        object.__setattr__(self, '_anchor', None)
        self._measures: StepMeasures | None = None

    def _check_heads(self) -> None:
        width = width_of(self.backbone)
        for name, head in self.heads.items():
            if head.uses_masks and self.masking is None:
                raise ValueError(
                    f'model.heads.{name} ({type(head).__name__}) learns from masked views: set '
                    "model.masking=dict(type='PatchMasking')"
                )
            if None not in (width, head.in_channels) and head.in_channels != width:
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

    def attach_anchor(self, anchor: 'SelfDistillation') -> None:
        """Takes an earlier teacher for heads that compare with it, without registering it."""
        object.__setattr__(self, '_anchor', anchor)

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

    def start_step(self, clock: Clock, part: BatchPart) -> None:
        """Says where the run stands, and which part of the step's images comes next."""
        self._clock, self._part = clock, part
        for head in self.heads.values():
            head.start_step(clock)

    def measure(self, measures: StepMeasures | None) -> None:
        """Shows ``measures`` all that follows, until it is called with None."""
        self._measures = measures

    def loss(self, inputs: list[ViewGroup], data_samples=None) -> dict[str, Tensor]:
        """The loss of each head as ``loss_<name>``.

        Args:
            inputs: Groups of views, globals first.
            data_samples: Unused: no label is looked at.
        """
        batch = len(inputs[0].images) // inputs[0].num_views
        global_views = self._global_views(inputs, batch)
        masks = self._masks(inputs, global_views, batch)
        used = {head.uses_regions for head in self.heads.values()}
        global_regions, all_regions = used != {'none'}, 'all' in used
        with torch.no_grad():
            tokens = self.teacher.extract_feat(global_views, global_regions)
            teacher_tokens = [t._replace(masks=m) for t, m in zip(tokens, masks, strict=False)]
        num_seen = len(global_views) if global_regions else 0
        regions = [all_regions or group < num_seen for group in range(len(inputs))]
        student_tokens = self.extract_feat(inputs, regions, masks)
        anchor_tokens = self._anchor_tokens(global_views)
        losses = {}
        for name, head in self.heads.items():
            if head.uses_anchor and anchor_tokens is None:
                losses[f'loss_{name}'] = student_tokens[0].view.sum() * 0
                continue
            teacher_head = self.teacher.heads[name]
            with torch.no_grad():
                seen = anchor_tokens if head.uses_anchor else teacher_tokens
                projected = teacher_head.project(seen)
                teacher_prototypes = teacher_head.prototype_weights()
            own = head.project(student_tokens)
            losses[f'loss_{name}'] = head.loss(own, projected, teacher_prototypes, batch)
            if self._measures is not None and not head.uses_anchor:
                targets = head.target_rows(own, projected, batch)
                self._measures.see_head(
                    name, head, losses[f'loss_{name}'], targets, teacher_prototypes
                )
        if self._measures is not None:
            self._measures.see_features(student_tokens[0].view[:batch], tokens[0].view[:batch])
        return losses

    def _masks(
        self, inputs: list[ViewGroup], global_views: list[ViewGroup], batch: int
    ) -> list[Masks | None]:
        """Masks of each group; None for groups without global views, and without masking."""
        if self.masking is None:
            return [None] * len(inputs)
        drawn = masks_of_groups(
            self.masking,
            self._clock,
            self._part,
            batch,
            [
                (seen.num_views, group.num_views, mask_grid(self.backbone, group.images))
                for seen, group in zip(global_views, inputs, strict=False)
            ],
        )
        masks = [mask.to(inputs[0].images.device) for mask in drawn]
        return [*masks, *[None] * (len(inputs) - len(masks))]

    @torch.no_grad()
    def _anchor_tokens(self, global_views: list[ViewGroup]) -> list[Tokens] | None:
        if self._anchor is None:
            return None
        return self._anchor.extract_feat(global_views)

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

    def extract_feat(
        self,
        inputs: list[ViewGroup],
        regions: bool | Sequence[bool] = True,
        masks: Sequence[Masks | None] | None = None,
    ) -> list[Tokens]:
        """Tokens of each group.

        Args:
            inputs: Groups of views.
            regions: Whether region features are needed, of all groups or of each.
            masks: Of each group, None where nothing is masked.
        """
        flags = [regions] * len(inputs) if isinstance(regions, bool) else regions
        masks = [None] * len(inputs) if masks is None else masks
        cells = [None if mask is None else mask.cells for mask in masks]
        tokens = encode_groups(self.backbone, [group.images for group in inputs], flags, cells)
        return [one._replace(masks=mask) for one, mask in zip(tokens, masks, strict=True)]

    @torch.no_grad()
    def extract_view_features(self, data: dict, student: bool = False) -> Tensor:
        """View features (N, C), float32, of the evaluated network in eval mode.

        Args:
            data: A batch of the data loader, with one view an image.
            student: Of this network, though a teacher is attached.
        """
        network = self if student else self.evaluated()
        inputs = self.data_preprocessor(data, False)['inputs']
        training = [module for module in network.modules() if module.training]
        nn.Module.train(network, False)
        try:
            return network.extract_feat(inputs, regions=False)[0].view.float()
        finally:
            for module in training:
                module.training = True
