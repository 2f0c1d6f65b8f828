"""Scores of regions from the fields of a run: as `&verification regions`, but asked for afterwards.

Per field record, the root mean square and the mean over the points of the region of mean minus
truth, and the root of the ensemble variance averaged over them; then their means over the records
after burn-in. Where fields are written each cycle these are what the run itself would have written.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dacycle.errors import RunFileError
from dacycle.verification.estimate import Estimate, mean_of, settled

__all__ = ["RegionScores", "region_scores"]


@dataclass(frozen=True)
class RegionScores:
    """Scores of a region; NaN where there is no truth to compare with."""

    rmse: Estimate
    bias: Estimate
    spread: Estimate


def region_scores(run: xr.Dataset, state: str, first: int, last: int) -> RegionScores:
    """Scores of a run's `background` or `analysis` on the points first to last, counted from 0.

    A region whose last point comes before its first goes on round the circle. Of a model with
    several components a point, the first is scored.

    Raises:
        RunFileError: no field was written after burn-in.
        ValueError: there are no such points.
    """
    n = run.sizes["x"]
    if not (0 <= first < n and 0 <= last < n):
        raise ValueError(f"a region of points {first} to {last}: they must be from 0 to {n - 1}")
    if "component" in run.dims:
        run = run.isel(component=0)
    if run.sizes.get("field_time", 0) == 0:
        raise RunFileError("no fields: set fields_every in &output")
    records = np.flatnonzero(settled(run, run["field_time"].values))
    if records.size == 0:
        raise RunFileError("no field was written after burn-in")
    points = (first + np.arange((last - first) % n + 1)) % n
    part = run.isel(field_time=records, x=points)
    spread = _rms(part[f"{state}_sd"].values)
    missing = Estimate(float("nan"), float("nan"))
    if "truth" not in run:
        return RegionScores(missing, missing, mean_of(spread))
    error = part[f"{state}_mean"].values - part["truth"].values
    return RegionScores(mean_of(_rms(error)), mean_of(error.mean(axis=1)), mean_of(spread))


def _rms(fields: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over the points of each record: `(record,)`."""
    return np.asarray(np.sqrt(np.mean(fields**2, axis=1)))
