"""Skill of forecasts from analyses, by lead time.

The forecast (of an ensemble, its mean) is verified against the truth of its time; the error grows
until it saturates. A forecast of the climatological mean has the climatological standard deviation
as its error, so does the mean of an ensemble that has forgotten its start, and a single forecast
ends at sqrt(2) of that (Leith 1974). The time for which forecasts are useful is taken where the
error reaches half the climatological standard deviation.

Leith, C. E. (1974): Theoretical skill of Monte Carlo forecasts. Monthly Weather Review, 102,
409-418.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dacycle.errors import RunFileError
from dacycle.verification.estimate import Estimate
from dacycle.verification.tables import read_tables

__all__ = ["LeadTimes", "lead_times"]

USEFUL = 0.5
"""Of the climatological standard deviation."""


@dataclass(frozen=True)
class LeadTimes:
    """Scores by lead time, averaged over the forecasts after burn-in: `(lead,)` each.

    Attributes:
        lead: model time from analysis to forecast.
        rmse: of forecast (mean) minus truth.
        rmse_error: standard error of `rmse`.
        spread: of the ensemble; None for single forecasts.
        spread_error: standard error of `spread`; None for single forecasts.
        correlation: over space, of forecast (mean) and truth.
        correlation_error: standard error of `correlation`.
        climatology: standard deviation of the truth over space, averaged over leads and time.
        skill_time: lead time at which the error reaches half of it; NaN if that lies outside.
    """

    lead: NDArray[np.float64]
    rmse: NDArray[np.float64]
    rmse_error: NDArray[np.float64]
    spread: NDArray[np.float64] | None
    spread_error: NDArray[np.float64] | None
    correlation: NDArray[np.float64]
    correlation_error: NDArray[np.float64]
    climatology: float
    skill_time: Estimate


def lead_times(run: xr.Dataset) -> LeadTimes:
    """The skill of a run's forecasts by lead time.

    Raises:
        RunFileError: the run file has no forecasts.
    """
    if "forecast_rmse" not in run:
        raise RunFileError("no forecast_rmse: set lead_times in &verification")
    tables = {table.name: table for table in read_tables(run)}
    rmse = tables["forecast_rmse"]
    correlation = tables["forecast_correlation"]
    spread = tables.get("forecast_spread")
    lead = run["lead"].values
    climatology = float(np.mean(tables["forecast_truth_sd"].mean))
    return LeadTimes(
        lead=lead,
        rmse=rmse.mean,
        rmse_error=rmse.standard_error,
        spread=spread.mean if spread else None,
        spread_error=spread.standard_error if spread else None,
        correlation=correlation.mean,
        correlation_error=correlation.standard_error,
        climatology=climatology,
        skill_time=_crossing(lead, rmse.mean, rmse.standard_error, USEFUL * climatology),
    )


def _crossing(
    lead: NDArray[np.float64],
    rmse: NDArray[np.float64],
    error: NDArray[np.float64],
    level: float,
) -> Estimate:
    """Where the error first reaches a level, linear between lead times; none is made up beyond."""
    above = np.flatnonzero(rmse >= level)
    if above.size == 0 or above[0] == 0:
        return Estimate(float("nan"), float("nan"))
    after = int(above[0])
    before = after - 1
    slope = (rmse[after] - rmse[before]) / (lead[after] - lead[before])
    weight = (level - rmse[before]) / (rmse[after] - rmse[before])
    # Errors of neighbouring lead times are all but the same: they do not average out.
    there = (1 - weight) * error[before] + weight * error[after]
    return Estimate(float(lead[before] + (level - rmse[before]) / slope), float(there / abs(slope)))
