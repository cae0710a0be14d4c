"""Hooks: teacher, anchor, step, phase, health, drift, log, checkpoints, images, detectors."""

from .bad_images_hook import BadImagesHook
from .continue_hook import ContinueHook
from .feature_drift_hook import FeatureDriftHook
from .gram_anchor_hook import GramAnchorHook
from .health_hook import HealthHook
from .interval_runtime_info_hook import IntervalRuntimeInfoHook
from .non_finite_hook import NonFiniteHook
from .optimizer_step_hook import OptimizerStepHook
from .pretrained_backbone_hook import PretrainedBackboneHook
from .resumable_checkpoint_hook import ResumableCheckpointHook
from .teacher_ema_hook import TeacherEMAHook

__all__ = [
    'BadImagesHook',
    'ContinueHook',
    'FeatureDriftHook',
    'GramAnchorHook',
    'HealthHook',
    'IntervalRuntimeInfoHook',
    'NonFiniteHook',
    'OptimizerStepHook',
    'PretrainedBackboneHook',
    'ResumableCheckpointHook',
    'TeacherEMAHook',
]
