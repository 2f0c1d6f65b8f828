"""Statistics that are functions of time means, and how well they are known.

A statistic f(m_1, m_2, ...) of the time means m_i of several series has, to first order, the error
of the mean of one series, z_t = sum_i (df/dm_i) (s_it - m_i) (the delta method). Its standard error
is therefore that of `time_mean`, which allows for the autocorrelation in time; values of one cycle
may depend on one another in any way.

Wolff, U. (2004): Monte Carlo errors with less errors. Computer Physics Communications, 156,
143-153.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dacycle.verification.scores import burn_in
from dacycle.verification.time_mean import time_mean

__all__ = ["Estimate", "function_of_means", "mean_of", "ratio_of_means", "settled"]


@dataclass(frozen=True)
class Estimate:
    """A statistic of a run and its standard error, autocorrelation allowed for; NaN if unknown."""

    value: float
    standard_error: float


def mean_of(series: NDArray[np.float64]) -> Estimate:
    """The mean of a series `(time,)`."""
    found = time_mean(series)
    return Estimate(found.mean, found.standard_error)


def function_of_means(
    value: float, gradient: NDArray[np.float64], series: NDArray[np.float64]
) -> Estimate:
    """A function of the means of `series`, `(time, k)`, with its gradient `(k,)` at these means.

    Raises:
        ValueError: the shapes do not agree.
    """
    if series.ndim != 2 or gradient.shape != series.shape[1:]:
        raise ValueError(f"series {series.shape} and gradient {gradient.shape} do not agree")
    return Estimate(value, time_mean(series @ gradient).standard_error)


def ratio_of_means(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> Estimate:
    """The mean of a series `(time,)` over the mean of another; NaN where that is zero."""
    below = float(np.mean(denominator)) if denominator.size else 0.0
    if below == 0:
        return Estimate(float("nan"), float("nan"))
    value = float(np.mean(numerator)) / below
    both = np.stack([numerator, denominator], axis=1)
    return function_of_means(value, np.array([1.0, -value]) / below, both)


def settled(run: xr.Dataset, times: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of these model times belong to cycles after the burn-in."""
    time = run["time"].values
    left_out = burn_in(run)
    if left_out >= time.size:
        return np.zeros(times.shape, dtype=bool)
    return np.asarray(times >= time[left_out])
