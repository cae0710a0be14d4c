"""Hooks: teacher, optimizer step, second phase, log, broken images, detectors' backbones."""

from .bad_images_hook import BadImagesHook
from .continue_hook import ContinueHook
from .interval_runtime_info_hook import IntervalRuntimeInfoHook
from .optimizer_step_hook import OptimizerStepHook
from .pretrained_backbone_hook import PretrainedBackboneHook
from .teacher_ema_hook import TeacherEMAHook

__all__ = [
    'BadImagesHook',
    'ContinueHook',
    'IntervalRuntimeInfoHook',
    'OptimizerStepHook',
    'PretrainedBackboneHook',
    'TeacherEMAHook',
]
