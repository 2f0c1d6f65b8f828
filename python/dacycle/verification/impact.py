"""What observations did to forecasts: the tables and feedback of a run with `&impact`, summed up.

The impact of an observation is its part in e_a - e_b, the difference of the mean square errors of
the forecasts from analysis and background (Langland & Baker 2004): below zero it helped. The sums
over groups of observations are means a judged cycle, after burn-in.

Langland, R. H. and Baker, N. L. (2004): Estimation of observation impact using the NRL atmospheric
variational data assimilation adjoint system. Tellus A, 56, 189-201.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dacycle.errors import RunFileError
from dacycle.verification.estimate import Estimate, mean_of, ratio_of_means, settled

__all__ = ["GroupImpact", "TotalImpact", "by_kind", "by_region", "total_impact", "was_judged"]


@dataclass(frozen=True)
class TotalImpact:
    """All observations of a run's judged cycles.

    Attributes:
        cycles: how many were judged after burn-in, with a forecast that could be verified.
        actual: e_a - e_b.
        estimated: its estimate, the sum of the impacts.
        ratio: estimated over actual.
        correlation: of the two over the cycles.
        beneficial: share of the observations whose impact is below zero.
    """

    cycles: int
    actual: Estimate
    estimated: Estimate
    ratio: Estimate
    correlation: float
    beneficial: Estimate


@dataclass(frozen=True)
class GroupImpact:
    """Some of the observations.

    Attributes:
        observations: how many were used, over all judged cycles.
        impact: the sum of their impacts, a cycle.
        share: of the impact of all.
        beneficial: share of them whose impact is below zero.
    """

    observations: int
    impact: Estimate
    share: Estimate
    beneficial: float


def total_impact(run: xr.Dataset) -> TotalImpact:
    """The totals of a run with `&impact`.

    Raises:
        RunFileError: the run has no impact, or none after burn-in.
    """
    kept = _judged(run)
    actual = run["impact_actual"].values[kept]
    estimated = run["impact_estimated"].values[kept]
    varies = actual.size > 1 and np.std(actual) > 0 and np.std(estimated) > 0
    return TotalImpact(
        cycles=int(actual.size),
        actual=mean_of(actual),
        estimated=mean_of(estimated),
        ratio=ratio_of_means(estimated, actual),
        correlation=float(np.corrcoef(actual, estimated)[0, 1]) if varies else float("nan"),
        beneficial=mean_of(run["impact_beneficial"].values[kept]),
    )


def by_kind(run: xr.Dataset) -> dict[int, GroupImpact]:
    """By kind of observation (`obs_kind`), of the kinds that were used.

    Raises:
        RunFileError: the run has no feedback, or no impact after burn-in.
    """
    rows = _Rows(run)
    return {int(kind): rows.group(rows.kind == kind) for kind in np.unique(rows.kind)}


def by_region(run: xr.Dataset, edges: Sequence[float]) -> dict[tuple[float, float], GroupImpact]:
    """By arcs of the circle, from each edge to just before the next; those with observations.

    Raises:
        RunFileError: the run has no feedback, or no impact after burn-in.
    """
    rows = _Rows(run)
    found = {}
    for first, end in pairwise(edges):
        inside = (rows.position >= first) & (rows.position < end)
        if inside.any():
            found[float(first), float(end)] = rows.group(inside)
    return found


def was_judged(run: xr.Dataset) -> bool:
    """Whether a cycle after burn-in was judged, with a forecast that could be verified."""
    if "impact_actual" not in run:
        return False
    known = np.isfinite(run["impact_actual"].values)
    return bool(np.any(known & settled(run, run["impact_time"].values)))


class _Rows:
    """The feedback of judged cycles."""

    def __init__(self, run: xr.Dataset) -> None:
        _judged(run)
        if "obs_impact" not in run:
            raise RunFileError("no observations: set feedback = .true. in &output")
        impact = run["obs_impact"].values
        time = run["obs_time"].values
        use = np.isfinite(impact) & (run["obs_qc"].values == 0) & settled(run, time)
        if not use.any():
            raise RunFileError("no observation was judged after burn-in")
        self.impact = impact[use]
        self.kind = run["obs_kind"].values[use]
        self.position = run["obs_position"].values[use]
        _, self.cycle = np.unique(time[use], return_inverse=True)
        self.all = self._sums(np.ones(self.impact.size, dtype=bool))

    def _sums(self, which: NDArray[np.bool_]) -> NDArray[np.float64]:
        """A cycle: `(cycle,)`."""
        sums = np.bincount(self.cycle, weights=np.where(which, self.impact, 0.0))
        return np.asarray(sums, dtype=np.float64)

    def group(self, which: NDArray[np.bool_]) -> GroupImpact:
        sums = self._sums(which)
        return GroupImpact(
            observations=int(which.sum()),
            impact=mean_of(sums),
            share=ratio_of_means(sums, self.all),
            beneficial=float(np.mean(self.impact[which] < 0)),
        )


def _judged(run: xr.Dataset) -> NDArray[np.bool_]:
    """Which records of `impact_time` count."""
    if "impact_actual" not in run:
        raise RunFileError("no impact of observations: set every in &impact")
    known = np.isfinite(run["impact_actual"].values)
    kept = np.asarray(known & settled(run, run["impact_time"].values))
    if not kept.any():
        raise RunFileError("no observations were judged after burn-in")
    return kept
