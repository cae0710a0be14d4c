"""The anchor: an earlier teacher, whose patch similarities the student is held to."""

from typing import Any

from mmengine.hooks import Hook
from torch import nn

from dinomm.checkpoints.backbone import backbone_weights
from dinomm.checkpoints.files import load_file
from dinomm.distributed import unwrapped
from dinomm.engine.schedules import Clock
from dinomm.registry import HOOKS

from .teacher_ema_hook import copy_as_teacher

KEY = 'anchor_state_dict'


@HOOKS.register_module()
class GramAnchorHook(Hook):
    """Gives the heads that compare with an anchor (``GramHead``) a frozen copy of the teacher.

    DINOv3 (arXiv 2508.10104, section 4): late in a long run, from ``begin`` on, the teacher as it
    was then, taken anew every ``refresh`` up to ``max_refreshes`` times. Before it there is none
    and the loss is 0. The anchor is a backbone in evaluation mode; checkpoints hold it
    (``anchor_state_dict``), so that a resumed run has the same.

    Args:
        begin: Epoch from which there is an anchor, counted from 0.
        refresh: Epochs after which it is taken anew; None: never.
        max_refreshes: How often at most; None: without end. DINOv3: 3.
        by_step: ``begin`` and ``refresh`` count optimizer steps. DINOv3: 1,010,000 and 10,000.
        load_from: A file of a backbone, of any form that `dinomm.checkpoints.backbone` reads: the
            first anchor, in the teacher's place.
    """

    priority = 'LOW'  # after the teacher exists

    def __init__(
        self,
        begin: int = 0,
        refresh: int | None = None,
        max_refreshes: int | None = None,
        by_step: bool = False,
        load_from: str | None = None,
    ):
        for key, value, least in (
            ('begin', begin, 0),
            ('refresh', 1 if refresh is None else refresh, 1),
            ('max_refreshes', 0 if max_refreshes is None else max_refreshes, 0),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(
                    f'GramAnchorHook.{key} is {value!r}: expected a whole number from {least}'
                )
        self.begin = begin
        self.refresh = refresh
        self.max_refreshes = max_refreshes
        self.by_step = by_step
        self.load_from = load_from
        self.taken = 0
        self.anchor: Any = None
        self._loaded: dict | None = None

    def due(self, clock: Clock) -> int:
        """How many anchors should have been taken by now, the first one included."""
        passed = (clock.step if self.by_step else clock.epoch) - self.begin
        if passed < 0:
            return 0
        refreshes = 0 if self.refresh is None else passed // self.refresh
        return 1 + (refreshes if self.max_refreshes is None else min(refreshes, self.max_refreshes))

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """On resume, takes the anchor that the run had."""
        if runner._resume:
            self.taken = checkpoint['meta'].get('anchors_taken', 0)
            self._loaded = checkpoint.get(KEY)

    def before_train(self, runner) -> None:
        """Attaches the anchor of a resumed run.

        Raises:
            ValueError: No head compares with an anchor.
        """
        model = unwrapped(runner.model)
        if not any(head.uses_anchor for head in model.heads.values()):
            raise ValueError(
                'GramAnchorHook keeps an anchor that no head of model.heads compares with: add '
                "gram=dict(type='GramHead') to model.heads, or leave the hook away"
            )
        if self._loaded is not None:
            self._take(model)
            self.anchor.backbone.load_state_dict(self._loaded)
            self._loaded = None

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        """Takes an anchor where one is due; all micro-batches of a step have the same."""
        wrapper = runner.optim_wrapper
        epoch_steps = len(runner.train_dataloader) / wrapper.accumulative_counts
        due = self.due(Clock(wrapper.steps, epoch_steps))
        if due <= self.taken:
            return
        model = unwrapped(runner.model)
        self._take(model)
        source = f'the teacher at optimizer step {wrapper.steps}'
        if self.load_from is not None and not self.taken:
            backbone, source = self.anchor.backbone, self.load_from
            weights = backbone_weights(backbone, load_file(source), source, adapt=True)
            backbone.load_state_dict(weights)
        self.taken = due
        runner.logger.info(f'anchor {due} is {source}')

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Keeps the anchor's backbone."""
        checkpoint['meta']['anchors_taken'] = self.taken
        if self.anchor is not None:
            state = self.anchor.backbone.state_dict()
            checkpoint[KEY] = {name: tensor.cpu() for name, tensor in state.items()}

    def _take(self, model: Any) -> None:
        self.anchor = copy_as_teacher(model.teacher)
        del self.anchor.heads
        nn.Module.train(self.anchor, False)  # mmpretrain's backbones return None from eval()
        model.attach_anchor(self.anchor)
