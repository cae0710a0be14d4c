"""Hooks: the teacher, the optimizer step, the log."""

from .interval_runtime_info_hook import IntervalRuntimeInfoHook
from .optimizer_step_hook import OptimizerStepHook
from .teacher_ema_hook import TeacherEMAHook

__all__ = ['IntervalRuntimeInfoHook', 'OptimizerStepHook', 'TeacherEMAHook']
