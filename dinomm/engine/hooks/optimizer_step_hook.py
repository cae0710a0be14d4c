"""Everything that moves once an optimizer step, moved there."""

import numpy as np
import torch
from mmengine.dist import get_dist_info, get_rank
from mmengine.hooks import ParamSchedulerHook

from dinomm.distributed import unwrapped
from dinomm.engine.batch_part import BatchPart
from dinomm.engine.norm_statistics import NormStatistics
from dinomm.engine.optimizers.wrapper import micro_batches_done
from dinomm.engine.schedules import Clock
from dinomm.registry import HOOKS

from .teacher_ema_hook import STUDENT_PREFIX


def step_seed(seed: int, iteration: int, rank: int) -> int:
    """The seed of the model's randomness (drop path, masks) in an iteration on a rank."""
    return int(np.random.SeedSequence((seed, iteration, rank)).generate_state(1)[0])


@HOOKS.register_module()
class OptimizerStepHook(ParamSchedulerHook):
    """Steps schedulers, centres, temperatures and freezing by performed optimizer steps.

    Stands in the place of mmengine's ``param_scheduler`` default hook, which steps with every
    micro-batch. Before each iteration it seeds torch from (seed, iteration, rank), so that a
    resumed run needs no random state. A step that is skipped leaves batch norm's statistics as they
    were before it, too.
    """

    _statistics: list[NormStatistics] | None = None

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        """Seeds torch; tells optimizer wrapper and model where the run stands."""
        torch.manual_seed(step_seed(runner.seed, runner.iter, get_rank()))
        wrapper = runner.optim_wrapper
        counts = wrapper.accumulative_counts
        clock = Clock(wrapper.steps, len(runner.train_dataloader) / counts)
        wrapper.start_epoch(clock.epoch)
        window, micro_batch = divmod(runner.iter, counts)
        part = BatchPart((runner.seed, window), micro_batch, counts, *get_dist_info())
        model = unwrapped(runner.model)
        if self._statistics is None:
            self._statistics = [NormStatistics(model), NormStatistics(model.teacher)]
        elif micro_batch == 0:
            for statistics in self._statistics:
                statistics.keep()
        model.start_step(clock, part)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """At the end of an accumulation window, moves what the step moved or skipped."""
        wrapper = runner.optim_wrapper
        if not wrapper.should_update():
            return
        unwrapped(runner.model).finish_step(wrapper.stepped)
        if wrapper.stepped:
            super().after_train_iter(runner, batch_idx, data_batch, outputs)
            return
        for statistics in self._statistics or ():
            statistics.restore()

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Dates a checkpoint written inside an accumulation window back to its beginning.

        Of what is saved only the statistics of batch norm have moved since then: the file gets
        the former ones. So the resumed run repeats the micro-batches of the window and is exact.
        """
        done = micro_batches_done(runner.optim_wrapper)
        if not done or self._statistics is None:
            return
        meta = checkpoint['meta']
        meta['iter'] -= done
        meta['epoch'] = meta['iter'] // len(runner.train_dataloader)
        student, teacher = (statistics.kept for statistics in self._statistics)
        checkpoint['state_dict'].update({name: value.cpu() for name, value in teacher.items()})
        checkpoint['ema_state_dict'].update(
            {STUDENT_PREFIX + name: value.cpu() for name, value in student.items()}
        )
