"""Schedules of what is no optimizer parameter, as plain functions of a count.

The count is that of performed optimizer steps, or of epochs in such steps: never of micro-batches.
Learning rate and weight decay are mmengine's schedulers (``dinomm.engine.schedulers``).
"""

import math
from typing import NamedTuple


class Clock(NamedTuple):
    """Where a run stands, in performed optimizer steps.

    Attributes:
        step: Steps performed so far.
        epoch_steps: Steps of an epoch; under gradient accumulation it need not be whole.
    """

    step: int
    epoch_steps: float

    @property
    def epoch(self) -> int:
        """The epoch, counted from 0."""
        return int(self.step / self.epoch_steps + 1e-9)


def cosine(start: float, end: float, step: int, num_steps: int) -> float:
    """Half a cosine from ``start`` at step 0 to ``end`` at step ``num_steps``, then ``end``.

    DINO's published schedule of the teacher's momentum:
    end + (start - end) (1 + cos(pi step / num_steps)) / 2.
    """
    if step >= num_steps:
        return end
    return end + (start - end) * (1 + math.cos(math.pi * step / num_steps)) / 2


class TeacherTemperature(NamedTuple):
    """Linear over ``warmup_epochs`` epochs from ``start_epoch`` on, constant before and after.

    It changes from epoch to epoch (DINO), or with ``by_step`` from step to step (DINOv2). As
    published the last epoch, or step, of the warm-up already has the end value: so many equally
    spaced values, both ends included. A constant 0 makes the targets hard. ``start_epoch`` is for
    what begins late, as the masks of iBOT's Swin at epoch 50.
    """

    start: float
    end: float
    warmup_epochs: float = 0
    by_step: bool = False
    start_epoch: float = 0

    @classmethod
    def build(cls, config: float | dict) -> 'TeacherTemperature':
        """From a number (constant) or ``dict(start=, end=, warmup_epochs=)``.

        Raises:
            ValueError: Not of that form, or a temperature is below 0, or 0 on the way to another.
        """
        form = 'a number above 0, dict(start=.04, end=.07, warmup_epochs=30) or 0 for hard targets'
        try:
            schedule = (
                cls(**config) if isinstance(config, dict) else cls(float(config), float(config))
            )
            ends = schedule.start, schedule.end
            lengths = schedule.warmup_epochs, schedule.start_epoch
            valid = (min(ends) > 0 or ends == (0, 0)) and min(lengths) >= 0
        except (TypeError, ValueError):
            valid = False
        if not valid:
            raise ValueError(f'teacher_temp is {config!r}: expected {form}')
        return schedule

    def at(self, clock: Clock) -> float:
        """The temperature at a point of the run."""
        now, length = (clock.step, clock.epoch_steps) if self.by_step else (clock.epoch, 1)
        count = now - round(self.start_epoch * length)
        last = (round(self.warmup_epochs * length) if self.by_step else self.warmup_epochs) - 1
        if count > last:
            return self.end
        return self.start + (self.end - self.start) * max(count, 0) / max(last, 1)
