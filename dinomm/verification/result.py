"""One compared quantity of a golden file."""

from typing import NamedTuple

import numpy as np


class Result(NamedTuple):
    """The largest deviation seen in one quantity, and what is allowed."""

    quantity: str
    error: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the error is a number within the tolerance (NaN is not)."""
        return self.error <= self.tolerance


def compare(quantity: str, actual, expected, tolerance: float, relative: bool = False) -> Result:
    """Largest absolute difference of two arrays (tensors welcome) of the same shape.

    Args:
        quantity: Name in the table.
        actual: Array or tensor that dinomm gave.
        expected: Array of the golden file.
        tolerance: Largest error allowed.
        relative: Divide the error by the largest absolute entry of ``expected``.
    """
    actual = np.asarray(getattr(actual, 'detach', lambda: actual)(), dtype=np.float64)
    expected = np.asarray(expected, dtype=np.float64)
    if actual.shape != expected.shape:
        return Result(f'{quantity}: shape {actual.shape}, not {expected.shape}', np.inf, tolerance)
    error = float(np.abs(actual - expected).max())
    if relative:
        error /= float(np.abs(expected).max())
    return Result(quantity, error, tolerance)
