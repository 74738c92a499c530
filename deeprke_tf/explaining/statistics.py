"""Means with their 95 % confidence intervals."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats


class Estimate(NamedTuple):
    """A mean and its 95 % confidence interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3g} ({self.low:.3g} to {self.high:.3g})"


def mean_of(values: npt.ArrayLike) -> Estimate:
    """Returns the mean of independent values with the interval of Student's t.

    >>> print(mean_of([1.0, 2.0, 3.0]))
    2 (-0.484 to 4.48)
    """
    values = np.asarray(values, np.float64)
    mean = float(values.mean())
    if len(values) < 2:
        return Estimate(mean, -np.inf, np.inf)
    error = values.std(ddof=1) / np.sqrt(len(values))
    half = float(stats.t.ppf(0.975, len(values) - 1) * error)
    return Estimate(mean, mean - half, mean + half)
