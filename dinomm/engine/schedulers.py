"""mmengine's and mmpretrain's parameter schedulers, with epochs counted in optimizer steps.

``convert_to_iter_based`` turns epochs into iterations by the length of the loader. An iteration
is a micro-batch; these schedulers are stepped once per optimizer step (``OptimizerStepHook``), so
under gradient accumulation an epoch has fewer of them. Names and arguments are unchanged.
"""

import math
from collections import Counter

from mmpretrain import registry as mmpretrain

from dinomm.registry import PARAM_SCHEDULERS


class _CountedInOptimizerSteps:
    """Mixin before a scheduler of mmengine's."""

    @classmethod
    def build_iter_from_epoch(cls, *args, optimizer, epoch_length, **kwargs):
        """As the base class, ``epoch_length`` micro-batches taken as optimizer steps.

        Milestones and step sizes are rounded to whole steps: the base class waits for the very
        step, which never comes where an epoch is no whole number of steps.

        Raises:
            ValueError: There is no optimizer step between the scheduler's first and last epoch.
        """
        counts = getattr(optimizer, 'accumulative_counts', 1)
        steps = epoch_length / counts
        begin, end = kwargs.get('begin', 0), kwargs.get('end', math.inf)
        if end != math.inf and begin < end and int(begin * steps) >= int(end * steps):
            raise ValueError(
                f'param_scheduler {cls.__name__} has no optimizer step between its epochs {begin} '
                f'and {end}: an epoch has {epoch_length} iterations and '
                f'optim_wrapper.accumulative_counts is {counts}; lower that, give more images (of '
                'a small set by sampler.epoch_size) or lengthen the scheduler'
            )
        build = super().build_iter_from_epoch  # type: ignore[misc]
        scheduler = build(*args, optimizer=optimizer, epoch_length=steps, **kwargs)
        if hasattr(scheduler, 'milestones'):
            scheduler.milestones = Counter(map(round, scheduler.milestones.elements()))
        if hasattr(scheduler, 'step_size'):
            scheduler.step_size = max(1, round(scheduler.step_size))
        return scheduler


def _register_all() -> None:
    inherited = mmpretrain.PARAM_SCHEDULERS
    inherited.import_from_location()
    for registry in (inherited.parent, inherited):
        for name, scheduler in registry.module_dict.items():
            counted = type(name, (_CountedInOptimizerSteps, scheduler), {'__module__': __name__})
            PARAM_SCHEDULERS.register_module(name=name, module=counted, force=True)


_register_all()
