"""Schedules of what is no optimizer parameter, as plain functions of a count.

The count is that of performed optimizer steps, or of epochs in such steps: never of micro-batches.
Learning rate and weight decay are mmengine's schedulers (``dinomm.engine.schedulers``).
"""

import math
from typing import NamedTuple


def cosine(start: float, end: float, step: int, num_steps: int) -> float:
    """Half a cosine from ``start`` at step 0 to ``end`` at step ``num_steps``, then ``end``.

    DINO's published schedule of the teacher's momentum:
    end + (start - end) (1 + cos(pi step / num_steps)) / 2.
    """
    if step >= num_steps:
        return end
    return end + (start - end) * (1 + math.cos(math.pi * step / num_steps)) / 2


class TeacherTemperature(NamedTuple):
    """Linear over the first ``warmup_epochs`` epochs, constant after.

    As published the last warm-up epoch already has the end value: ``warmup_epochs`` equally spaced
    values, both ends included. A constant 0 makes the targets hard.
    """

    start: float
    end: float
    warmup_epochs: int = 0

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
            valid = (min(ends) > 0 or ends == (0, 0)) and schedule.warmup_epochs >= 0
        except (TypeError, ValueError):
            valid = False
        if not valid:
            raise ValueError(f'teacher_temp is {config!r}: expected {form}')
        return schedule

    def at(self, epoch: int) -> float:
        """The temperature of an epoch, counted from 0."""
        if epoch >= self.warmup_epochs:
            return self.end
        if self.warmup_epochs == 1:
            return self.start
        return self.start + (self.end - self.start) * epoch / (self.warmup_epochs - 1)
