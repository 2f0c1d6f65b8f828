"""Rank histograms: is the truth like one more member?

Where the truth and the N members are drawn from one distribution, the truth is equally likely to
have each of the N + 1 ranks among them (Hamill 2001). Too little spread makes a U, too much a dome,
a bias a slope. Neighbouring points and cycles are not independent, so the usual chi-square test
would reject a perfect ensemble; here every frequency has a standard error from the series of
counts, and the histogram as a whole is told by

- its bias, the mean of r/N - 1/2, and its dispersion, the variance of r about N/2 over that of
  equal frequencies less 1: linear contrasts after Jolliffe & Primo (2008), which `da_cycle` takes
  each cycle;
- its departure from flatness, D^2 = 1/(N+1) sum_r ((N+1) f_r - 1)^2, less what the errors of the
  f_r alone would make of a flat one.

Hamill, T. M. (2001): Interpretation of rank histograms for verifying ensemble forecasts. Monthly
Weather Review, 129, 550-560. Jolliffe, I. T. and Primo, C. (2008): Evaluating rank histograms using
decompositions of the chi-square test statistic. Monthly Weather Review, 136, 2133-2139.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dacycle.errors import RunFileError
from dacycle.verification.estimate import Estimate, function_of_means, mean_of
from dacycle.verification.scores import burn_in

__all__ = ["RankHistogram", "rank_histogram"]


@dataclass(frozen=True)
class RankHistogram:
    """A histogram over the cycles after burn-in.

    Attributes:
        counts: `(members + 1,)`, points and cycles with each rank of the truth.
        frequency: `(members + 1,)`, relative to all counts.
        standard_error: `(members + 1,)`, of these frequencies.
        bias: mean of r/N - 1/2; positive where members lie too low.
        dispersion: positive where there is too little spread, negative where there is too much.
        departure: mean squared relative departure from flatness, chance taken off; 0 is flat.
    """

    counts: NDArray[np.float64]
    frequency: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    bias: Estimate
    dispersion: Estimate
    departure: Estimate


def rank_histogram(run: xr.Dataset, state: str) -> RankHistogram:
    """The rank histogram of a run's `background` or `analysis`.

    Raises:
        RunFileError: the run file has no ranks.
    """
    name = f"{state}_ranks"
    if name not in run:
        raise RunFileError(f"no {name}: set rank_histogram = .true. in &verification")
    rows = run[name].values[burn_in(run) :]
    classes = rows.shape[1]
    shares = rows / rows.sum(axis=1, keepdims=True)
    each = [mean_of(column) for column in shares.T]
    frequency = np.array([one.value for one in each])
    errors = np.array([one.standard_error for one in each])
    excess = classes * frequency - 1
    chance = float(np.mean((classes * errors) ** 2))
    departure = function_of_means(float(np.mean(excess**2)) - chance, 2 * excess, shares)
    rank = np.arange(classes)
    middle = (classes - 1) / 2
    return RankHistogram(
        counts=rows.sum(axis=0),
        frequency=frequency,
        standard_error=errors,
        bias=mean_of(shares @ (rank - middle) / (classes - 1)),
        dispersion=mean_of(shares @ (rank - middle) ** 2 / float(np.var(rank)) - 1),
        departure=departure,
    )
