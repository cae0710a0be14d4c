"""Hooks: teacher, anchor, step, second phase, drift, log, checkpoints, images, detectors."""

from .bad_images_hook import BadImagesHook
from .continue_hook import ContinueHook
from .feature_drift_hook import FeatureDriftHook
from .gram_anchor_hook import GramAnchorHook
from .interval_runtime_info_hook import IntervalRuntimeInfoHook
from .optimizer_step_hook import OptimizerStepHook
from .pretrained_backbone_hook import PretrainedBackboneHook
from .resumable_checkpoint_hook import ResumableCheckpointHook
from .teacher_ema_hook import TeacherEMAHook

__all__ = [
    'BadImagesHook',
    'ContinueHook',
    'FeatureDriftHook',
    'GramAnchorHook',
    'IntervalRuntimeInfoHook',
    'OptimizerStepHook',
    'PretrainedBackboneHook',
    'ResumableCheckpointHook',
    'TeacherEMAHook',
]
