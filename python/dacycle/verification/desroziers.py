"""Are the error statistics that the analysis assumes those that its innovations show?

With d_ob = y - H(x_b), d_oa = y - H(x_a) and d_ab = H(x_a) - H(x_b), an analysis that is linear and
uses the right covariances has (Desroziers et al. 2005)

    E[d_ob d_ob] = R + H B H^T,  E[d_oa d_ob] = R,  E[d_ab d_ob] = H B H^T,  E[d_ab d_oa] = H A H^T.

Each is estimated by the mean of the products over observations and cycles and set beside what the
analysis worked with: the stated error variance, and the spread of the background members. No truth
is needed. Where the gain is wrong the estimates are wrong too, and partly hide it: 1 is necessary,
not sufficient. Rejected and missing observations are left out, which trims the tails.

Desroziers, G., Berre, L., Chapnik, B. and Poli, P. (2005): Diagnosis of observation, background and
analysis-error statistics in observation space. Quarterly Journal of the Royal Meteorological
Society, 131, 3385-3396.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dacycle.errors import RunFileError
from dacycle.verification.estimate import Estimate, ratio_of_means, settled

__all__ = ["Desroziers", "desroziers", "kinds", "was_assimilated"]

ASSIMILATED = 0
"""Value of `obs_qc`: only these have an analysis that used them."""

MOST_OBSERVATIONS = 2_000_000
"""Rows of feedback that are read, the last ones: more would not change the numbers."""


@dataclass(frozen=True)
class Desroziers:
    """Error variances of some observations, diagnosed and assumed, after burn-in.

    Attributes:
        observations: how many were averaged over.
        innovation: mean of y - H(x_b).
        observation_variance: E[d_oa d_ob], the diagnosed R.
        background_variance: E[d_ab d_ob], the diagnosed H B H^T.
        analysis_variance: E[d_ab d_oa], the diagnosed H A H^T.
        stated_observation_variance: the mean of obs_error_sd^2.
        stated_background_variance: the mean of obs_background_sd^2.
        observation_ratio: diagnosed over stated R; above 1, observations are worse than stated.
        background_ratio: diagnosed over stated H B H^T; above 1, there is too little spread.
        innovation_ratio: E[d_ob^2] over the sum of both stated variances.
    """

    observations: int
    innovation: Estimate
    observation_variance: Estimate
    background_variance: Estimate
    analysis_variance: Estimate
    stated_observation_variance: Estimate
    stated_background_variance: Estimate
    observation_ratio: Estimate
    background_ratio: Estimate
    innovation_ratio: Estimate


def kinds(run: xr.Dataset) -> list[int]:
    """The kinds of observations in the feedback that is read."""
    if run.sizes.get("observation", 0) == 0:
        return []
    return [int(kind) for kind in np.unique(_recent(run)["obs_kind"].values)]


def desroziers(
    run: xr.Dataset, kind: int | None = None, region: tuple[float, float] | None = None
) -> Desroziers:
    """Diagnose the assimilated observations of a run.

    Args:
        run: an open run file with feedback.
        kind: of this kind only (`obs_kind`).
        region: only of positions from the first to the second; where the second is the smaller,
            on round the circle.

    Raises:
        RunFileError: there is no feedback, or no such observation was assimilated after burn-in.
    """
    if run.sizes.get("observation", 0) == 0:
        raise RunFileError("no observations: set feedback = .true. in &output")
    rows = _recent(run)
    use = settled(run, rows["obs_time"].values) & (rows["obs_qc"].values == ASSIMILATED)
    if kind is not None:
        use &= rows["obs_kind"].values == kind
    if region is not None:
        use &= _within(rows["obs_position"].values, *region)
    if not np.any(use):
        raise RunFileError("no such observation was assimilated after burn-in")
    columns = {
        name: rows[f"obs_{name}"].values[use]
        for name in ("value", "background", "analysis", "error_sd", "background_sd")
    }
    _, cycle = np.unique(rows["obs_time"].values[use], return_inverse=True)
    number = np.bincount(cycle).astype(np.float64)

    def sums(terms: NDArray[np.float64]) -> NDArray[np.float64]:
        """Over the observations of each cycle: `(cycle,)`."""
        return np.asarray(np.bincount(cycle, weights=terms), dtype=np.float64)

    d_ob = columns["value"] - columns["background"]
    d_oa = columns["value"] - columns["analysis"]
    d_ab = columns["analysis"] - columns["background"]
    r, b, a = sums(d_oa * d_ob), sums(d_ab * d_ob), sums(d_ab * d_oa)
    stated_r, stated_b = sums(columns["error_sd"] ** 2), sums(columns["background_sd"] ** 2)
    return Desroziers(
        observations=int(number.sum()),
        innovation=ratio_of_means(sums(d_ob), number),
        observation_variance=ratio_of_means(r, number),
        background_variance=ratio_of_means(b, number),
        analysis_variance=ratio_of_means(a, number),
        stated_observation_variance=ratio_of_means(stated_r, number),
        stated_background_variance=ratio_of_means(stated_b, number),
        observation_ratio=ratio_of_means(r, stated_r),
        background_ratio=ratio_of_means(b, stated_b),
        innovation_ratio=ratio_of_means(sums(d_ob**2), stated_r + stated_b),
    )


def was_assimilated(run: xr.Dataset) -> bool:
    """Whether the feedback has an observation that was assimilated after burn-in."""
    if run.sizes.get("observation", 0) == 0:
        return False
    rows = _recent(run)
    used = rows["obs_qc"].values == ASSIMILATED
    return bool(np.any(used & settled(run, rows["obs_time"].values)))


def _recent(run: xr.Dataset) -> xr.Dataset:
    return run.isel(observation=slice(-MOST_OBSERVATIONS, None))


def _within(position: NDArray[np.float64], first: float, last: float) -> NDArray[np.bool_]:
    after, before = position >= first, position <= last
    return np.asarray(after & before if first <= last else after | before)
