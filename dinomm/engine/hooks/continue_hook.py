"""Training that goes on from trained weights: a checkpoint with new heads, or a backbone alone."""

import warnings
from typing import Any

from mmengine.hooks import Hook
from torch import nn

from dinomm.checkpoints.backbone import backbone_weights
from dinomm.checkpoints.files import load_file
from dinomm.distributed import unwrapped
from dinomm.registry import HOOKS


@HOOKS.register_module()
class ContinueHook(Hook):
    """Goes on from ``load_from``, or from a backbone that was published without heads.

    A checkpoint of ``load_from`` may have had fewer heads (EsViT: the view task, then both). The
    new heads are those that the file has no weights of; ``TeacherEMAHook.allow_missing`` names
    them, and gives student and teacher the same ones. The optimizer's moments start anew. A run
    that was continued is resumed exactly, as any other.

    Of a ``backbone`` student and teacher get the same weights and the same new heads, and the
    schedules begin at their beginning.

    Args:
        schedules: 'continue' begins at the checkpoint's epoch, so that learning rate, weight decay,
            teacher momentum and temperature are in the middle of their way, as published;
            'restart' begins at epoch 0.
        freeze_backbone: Optimizer steps, from the beginning of this phase, that leave the backbone
            as it is while the new heads warm up.
        freeze_last_layer: Epochs, likewise, that leave the new heads' prototypes as they are
            (``optim_wrapper.freeze_last_layer`` counts from the first epoch of the schedules). The
            published code has 0 here.
        backbone: A file of any form that `dinomm.checkpoints.backbone` reads (timm's, Hugging
            Face's, published ones ...), in place of ``load_from``.
    """

    priority = 'ABOVE_NORMAL'  # before the teacher copies the student

    def __init__(
        self,
        schedules: str = 'continue',
        freeze_backbone: int = 0,
        freeze_last_layer: int = 1,
        backbone: str | None = None,
    ):
        if schedules not in ('continue', 'restart'):
            raise ValueError(
                f"ContinueHook.schedules is {schedules!r}: expected 'continue', from the "
                "checkpoint's epoch, or 'restart'"
            )
        for key, value in (
            ('freeze_backbone', freeze_backbone),
            ('freeze_last_layer', freeze_last_layer),
        ):
            if value < 0:
                raise ValueError(f'ContinueHook.{key} is {value}: expected a number from 0')
        self.backbone = backbone
        self.schedules = schedules if backbone is None else 'restart'
        self.freeze_backbone = freeze_backbone
        self.freeze_last_layer = freeze_last_layer
        self.begin: dict[str, Any] | None = None

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Finds the new heads and the checkpoint's epoch; on resume, those of the first start.

        Raises:
            ValueError: The file does not say where it stands, or a backbone was given too.
        """
        meta = checkpoint.get('meta', {})
        if runner._resume:
            if 'continued' not in meta:
                raise ValueError(
                    'the checkpoint is of a run without ContinueHook, so it cannot be resumed with '
                    'it: start this phase without --resume, by --cfg-options load_from=FILE'
                )
            self.begin = meta['continued']
            return
        if self.backbone is not None:
            raise ValueError(
                f'load_from={runner._load_from} and ContinueHook.backbone={self.backbone} both '
                'name weights to begin with: leave one of them away'
            )
        if self.schedules == 'continue' and 'epoch' not in meta:
            raise ValueError(
                'the checkpoint names no epoch to go on from: load one that a run of dinomm wrote, '
                "or set ContinueHook.schedules='restart' in custom_hooks"
            )
        names = checkpoint.get('state_dict', checkpoint)
        self.begin = {
            'epoch': meta['epoch'] if self.schedules == 'continue' else 0,
            'heads': [
                head
                for head in unwrapped(runner.model).heads
                if not any(name.startswith(f'heads.{head}.') for name in names)
            ],
        }

    def before_train(self, runner) -> None:
        """Moves loop and schedules to where the phase begins, and freezes what is to wait.

        Raises:
            ValueError: Nothing was loaded, or the checkpoint stands at the end of the run.
        """
        if self.begin is None and self.backbone is not None:
            self._load_backbone(unwrapped(runner.model), self.backbone)
        if self.begin is None:
            raise ValueError(
                'ContinueHook goes on from a checkpoint, but none was loaded: start this phase by '
                '--cfg-options load_from=FILE, without --resume, or name a backbone by '
                'ContinueHook.backbone in custom_hooks'
            )
        wrapper, length = runner.optim_wrapper, len(runner.train_dataloader)
        first_step = self.begin['epoch'] * length // wrapper.accumulative_counts
        if not runner._resume:
            if self.begin['epoch'] >= runner.max_epochs:
                raise ValueError(
                    f'the checkpoint stands at epoch {self.begin["epoch"]}, where this run ends: '
                    "raise train_cfg.max_epochs or set ContinueHook.schedules='restart'"
                )
            self._go_to(runner, first_step)
            self._report(runner, **self.begin)
        epoch_steps = length / wrapper.accumulative_counts
        model = unwrapped(runner.model)
        prototypes = [
            parameter
            for name in self.begin['heads']
            for key, parameter in model.heads[name].named_parameters()
            if key.startswith('prototypes.')
        ]
        frozen = [
            (list(model.backbone.parameters()), first_step + self.freeze_backbone),
            (prototypes, first_step + self.freeze_last_layer * epoch_steps),
        ]
        wrapper.optimizer.register_step_pre_hook(lambda *_: _skip(frozen, wrapper.steps))

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Remembers where the phase began."""
        checkpoint['meta']['continued'] = self.begin

    def _load_backbone(self, model: Any, path: str) -> None:
        weights = backbone_weights(model.backbone, load_file(path), path, adapt=True)
        model.backbone.load_state_dict(weights)
        self.begin = {'epoch': 0, 'heads': list(model.heads)}

    def _go_to(self, runner, step: int) -> None:
        """As if ``step`` optimizer steps had been performed."""
        wrapper, loop = runner.optim_wrapper, runner.train_loop
        loop._iter = step * wrapper.accumulative_counts
        loop._epoch = loop._iter // len(runner.train_dataloader)
        wrapper.initialize_count_status(runner.model, loop._iter, loop.max_iters)
        wrapper.steps = step
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', message='Detected call of `scheduler.step')
            for scheduler in runner.param_schedulers or ():
                for _ in range(step):
                    scheduler.step()

    def _report(self, runner, epoch: int, heads: list[str]) -> None:
        rate = runner.optim_wrapper.get_lr()['lr'][0]
        old = [name for name in unwrapped(runner.model).heads if name not in heads]
        lines = (
            'weights of student and teacher: backbone'
            + (f', {_named(old)}, with centres' if old else ''),
            f'new, the same in student and teacher: {_named(heads)}',
            f'schedules: {self.schedules}, from epoch {epoch} of {runner.max_epochs} '
            f'(iteration {runner.iter}, learning rate {rate:.3g})',
            "not restored: the optimizer's moments, the position inside an epoch",
            f'left as they are: the backbone for {self.freeze_backbone} steps, prototypes of the '
            f'new heads for {self.freeze_last_layer} epochs',
        )
        source = runner._load_from if self.backbone is None else self.backbone
        runner.logger.info('continued from ' + '\n  '.join([str(source), *lines]))


def _skip(frozen: list[tuple[list[nn.Parameter], float]], steps: int) -> None:
    """Without a gradient an optimizer touches neither parameter nor moments."""
    for parameters, until in frozen:
        if steps < until:
            for parameter in parameters:
                parameter.grad = None


def _named(heads: list[str]) -> str:
    return ', '.join(f'heads.{name}' for name in heads) or 'no head'
