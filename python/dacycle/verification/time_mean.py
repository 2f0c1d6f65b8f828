"""The mean of a series in time, and how well it is known.

Cycles are not independent: an error lives for several of them. The variance of the mean of n
values with autocovariances gamma_k (normalised by 1/n) is estimated with the initial positive
sequence of Geyer (1992): with Gamma_m = gamma_{2m} + gamma_{2m+1},

    var(mean) = (-gamma_0 + 2 sum_{m=0}^{M} Gamma_m) / n,

M being the last m before the first Gamma_m that is not positive, but for rounding. `da_cycle`
computes the standard errors in its output in the same way.

Geyer, C. J. (1992): Practical Markov chain Monte Carlo. Statistical Science, 7, 473-483.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["TimeMean", "autocovariance", "time_mean"]

ROUNDING = 1e-10
"""Of gamma_0: what is smaller is zero. Of counts a pair of autocovariances may be."""


@dataclass(frozen=True)
class TimeMean:
    """The mean of a series, in the unit of the series.

    Attributes:
        mean: the mean over time.
        standard_error: of that mean, autocorrelation allowed for.
        maximum: the largest absolute value.
        values: how many were averaged.
    """

    mean: float
    standard_error: float
    maximum: float
    values: int


def time_mean(series: NDArray[np.float64]) -> TimeMean:
    """Average a series `(time,)`, burn-in left out before.

    All is NaN for an empty series, and for one with a NaN in it: a score that was not computed at
    each cycle has no mean. The standard error needs two values, else it is NaN.

    Raises:
        ValueError: the series is not of one dimension.
    """
    if series.ndim != 1:
        raise ValueError(f"a series must have the shape (time,), not {series.shape}")
    if series.size == 0:
        return TimeMean(float("nan"), float("nan"), float("nan"), 0)
    return TimeMean(
        float(np.mean(series)), _standard_error(series), float(np.max(np.abs(series))), series.size
    )


def autocovariance(series: NDArray[np.float64]) -> NDArray[np.float64]:
    """gamma_k = (1/n) sum_t (s_t - mean)(s_{t+k} - mean) for all lags k: shape `(time,)`."""
    n = series.size
    padded = 2 * n
    spectrum = np.fft.rfft(series - np.mean(series), padded)
    return np.asarray(np.fft.irfft(np.abs(spectrum) ** 2, padded)[:n] / n)


def _standard_error(series: NDArray[np.float64]) -> float:
    n = series.size
    if n < 2 or not np.all(np.isfinite(series)):
        return float("nan")
    gamma = autocovariance(series)
    pairs = gamma[: n - n % 2].reshape(-1, 2).sum(axis=1)
    stopped = np.flatnonzero(pairs <= ROUNDING * gamma[0])
    positive = pairs[: stopped[0]] if stopped.size else pairs
    variance = (-gamma[0] + 2 * np.sum(positive)) / n
    return float(np.sqrt(variance)) if variance > ROUNDING * gamma[0] / n else 0.0
