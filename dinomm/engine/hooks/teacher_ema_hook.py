"""The teacher: an exponential moving average of the student, which gives the targets."""

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from torch import nn
from torch.nn.modules.dropout import _DropoutNd
from torch.optim.swa_utils import get_ema_multi_avg_fn

from dinomm.checkpoints import Coverage, compare_weights
from dinomm.checkpoints.positions import adapt_positions
from dinomm.distributed import unwrapped
from dinomm.engine.schedules import cosine
from dinomm.registry import HOOKS

STUDENT_PREFIX = 'module.'
BACKBONE = 'backbone.'


def copy_as_teacher(student: Any) -> Any:
    """A frozen copy that shares no storage and drops nothing; in training mode, as published."""
    teacher = copy.deepcopy(student).requires_grad_(False)
    for module in teacher.modules():
        if isinstance(module, _DropoutNd):
            module.p = 0.0
        # randomness as plain numbers: drop path, attention dropout ('dropout' is torch's), rotation
        for name in ('drop_prob', 'attn_drop', 'dropout', 'rotary_rescale'):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
    teacher.train()
    return teacher


@HOOKS.register_module()
class TeacherEMAHook(Hook):
    """Keeps the teacher: teacher <- m teacher + (1 - m) student after every performed step.

    m goes in half a cosine from ``momentum`` to ``end_momentum`` over the optimizer steps of the
    run (DINO, section 3.1). Parameters alone are averaged; batch norm keeps its own statistics,
    and the centres, which live in the student's heads, are copied.

    A checkpoint has mmengine's EMA form: ``state_dict`` is the teacher, ``ema_state_dict`` the
    student (keys with ``module.``). ``load_from`` such a file gives each network its own weights;
    any other file gives both the same. A position embedding of another image size is resized, by
    ``load_from``, not on resume.

    Args:
        momentum: m at the first step.
        end_momentum: m at the end.
        allow_missing: Prefixes of names that ``load_from`` need not bring, e.g. 'heads.'.
        allow_unexpected: Prefixes of names in the file that may be left unused.
    """

    priority = 'NORMAL'

    def __init__(
        self,
        momentum: float = 0.996,
        end_momentum: float = 1.0,
        allow_missing: str | Sequence[str] = (),
        allow_unexpected: str | Sequence[str] = (),
    ):
        for key, value in (('momentum', momentum), ('end_momentum', end_momentum)):
            if not 0 <= value <= 1:
                raise ValueError(
                    f'TeacherEMAHook.{key} is {value}: expected the share of the teacher that '
                    'stays, from 0 to 1 (0.996 as published; mmengine counts the complement)'
                )
        self.momentum = momentum
        self.end_momentum = end_momentum
        self.allow_missing = _prefixes(allow_missing)
        self.allow_unexpected = _prefixes(allow_unexpected)
        self.student: Any = None
        self.teacher: Any = None
        self._loaded_teacher: dict | None = None

    def momentum_at(self, step: int, num_steps: int) -> float:
        """m of a step, counted from 0."""
        return cosine(self.momentum, self.end_momentum, step, num_steps)

    def before_train(self, runner) -> None:
        """Builds the teacher from the initialised or loaded student, then compiles both."""
        self.student = unwrapped(runner.model)
        self.teacher = copy_as_teacher(self.student)
        if self._loaded_teacher is not None:
            self.teacher.load_state_dict(self._loaded_teacher, strict=False)
            self._loaded_teacher = None
        self.student.attach_teacher(self.teacher)
        self.student.compile_networks()
        self._pairs = list(self.teacher.parameters()), list(self.student.parameters())

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """Averages after a performed optimizer step and only then."""
        wrapper = runner.optim_wrapper
        if not wrapper.stepped:
            return
        num_steps = math.ceil(runner.max_iters / wrapper.accumulative_counts)
        momentum = self.momentum_at(wrapper.steps - 1, num_steps)
        get_ema_multi_avg_fn(momentum)(*self._pairs, None)

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """``state_dict`` becomes the teacher's, the student goes into ``ema_state_dict``."""
        student = checkpoint['state_dict']
        for name, head in self.student.heads.items():
            if hasattr(head, 'centering'):
                self.teacher.heads[name].centering.load_state_dict(head.centering.state_dict())
        checkpoint['ema_state_dict'] = {
            STUDENT_PREFIX + name: tensor for name, tensor in student.items()
        }
        checkpoint['ema_state_dict']['steps'] = torch.tensor(runner.optim_wrapper.steps)
        checkpoint['state_dict'] = {
            name: tensor.detach().cpu() for name, tensor in self.teacher.state_dict().items()
        }

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Hands each network its weights; an incomplete load is an error.

        Raises:
            ValueError: The file lacks weights of this model, or holds others.
        """
        model = unwrapped(runner.model)
        states = [dict(checkpoint.get('state_dict', checkpoint))]  # a file may hold these alone
        if not any(isinstance(value, torch.Tensor) for value in states[0].values()):
            raise ValueError(
                f'the checkpoint holds no state_dict, but {_first(checkpoint)}: expected a file '
                'that dinomm or mmengine wrote, or wrap the weights, dict(state_dict=weights)'
            )
        if not isinstance(runner.optim_wrapper, OptimWrapper):
            self._check_evaluated(runner, model, states[0])
            return
        if 'ema_state_dict' in checkpoint:
            self._loaded_teacher = states[0]
            checkpoint['state_dict'] = {
                name.removeprefix(STUDENT_PREFIX): tensor
                for name, tensor in checkpoint['ema_state_dict'].items()
                if name.startswith(STUDENT_PREFIX)
            }
            states.append(checkpoint['state_dict'])
        elif runner._resume:
            raise ValueError(
                'the checkpoint holds no student (ema_state_dict), so the run cannot be resumed '
                'from it: start a new one with --cfg-options load_from=FILE'
            )
        else:
            checkpoint['state_dict'] = states[0]
        allowed = ((), ()) if runner._resume else (self.allow_missing, self.allow_unexpected)
        for state in states:
            if not runner._resume and (resized := adapt_positions(model.backbone, state, BACKBONE)):
                runner.logger.info(resized)
            coverage = compare_weights(model.state_dict(), state)
            _check_heads(model, coverage, *allowed)
            self._report(runner, coverage, *allowed)

    def _check_evaluated(self, runner, model: nn.Module, state: dict) -> None:
        """Evaluation needs the backbone whole; what the file says of heads does not matter."""
        backbone = {k: v for k, v in model.state_dict().items() if k.startswith(BACKBONE)}
        coverage = compare_weights(backbone, state)
        self._report(runner, coverage, (), [n for n in state if not n.startswith(BACKBONE)])

    def _report(self, runner, coverage: Coverage, missing, unexpected) -> None:
        runner.logger.info(f'checkpoint against model: {coverage.summary()}')
        coverage.require(missing, unexpected)


def _check_heads(
    model: Any, coverage: Coverage, allow_missing: Sequence[str], allow_unexpected: Sequence[str]
) -> None:
    """A checkpoint that lacks whole heads and nothing else was made without them."""
    prefixes = [f'heads.{name}.' for name, head in model.heads.items() if head.state_dict()]
    lacking = [
        prefix
        for prefix in prefixes
        if not prefix.startswith(tuple(allow_missing))
        and not any(name.startswith(prefix) for name in coverage.matched)
    ]
    if lacking and not coverage.faults([*allow_missing, *lacking], allow_unexpected):
        names = ', '.join('model.' + prefix.rstrip('.') for prefix in lacking)
        raise ValueError(
            f'the checkpoint has no weights of {names}. To go on from it with a new head, start a '
            'new run with load_from=FILE (not --resume) and set TeacherEMAHook.allow_missing='
            f'{lacking} in custom_hooks; else use the config that it was trained with'
        )


def _prefixes(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _first(names) -> str:
    return ', '.join(sorted(map(str, names))[:3]) or 'nothing'
