"""What the Runner runs: loop, hooks, optimizer wrappers, schedules."""

from . import schedulers  # noqa: F401
from .hooks import (
    ContinueHook,
    FeatureDriftHook,
    GramAnchorHook,
    HealthHook,
    IntervalRuntimeInfoHook,
    NonFiniteHook,
    OptimizerStepHook,
    ResumableCheckpointHook,
    TeacherEMAHook,
)
from .loops import ResumableEpochLoop
from .optimizers import LARS, DINOAmpOptimWrapper, DINOOptimWrapper, TwoGroupConstructor

__all__ = [
    'LARS',
    'ContinueHook',
    'DINOAmpOptimWrapper',
    'DINOOptimWrapper',
    'FeatureDriftHook',
    'GramAnchorHook',
    'HealthHook',
    'IntervalRuntimeInfoHook',
    'NonFiniteHook',
    'OptimizerStepHook',
    'ResumableCheckpointHook',
    'ResumableEpochLoop',
    'TeacherEMAHook',
    'TwoGroupConstructor',
]
