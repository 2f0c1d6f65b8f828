"""The scores of a run: as its file states them, and computed again from the series in it."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from dacycle.verification.time_mean import time_mean

__all__ = ["ESTIMATES", "SCORES", "Score", "burn_in", "disagreements", "read_scores", "with_error"]

SCORES = (
    "analysis_rmse",
    "analysis_spread",
    "analysis_bias",
    "background_rmse",
    "background_spread",
    "background_bias",
    "innovation_chi2",
    "observations_used",
    "observations_rejected",
)
"""The score variables of a run file, analysis first."""

ESTIMATES = (
    "inflation_mean",
    "parameter_mean",
    "parameter_spread",
    "parameter_rmse",
    "bias_mean",
    "bias_spread",
    "smoothed_rmse",
)
"""Those of what a run estimates beside the state; only such a run has them."""

AGREEMENT = 1e-9
"""Relative: both sides sum thousands of values in double precision, in a different order."""


@dataclass(frozen=True)
class Score:
    """A score of a run, averaged over the cycles after burn-in.

    Attributes:
        name: the variable of the run file.
        mean: the time mean; NaN where there is no truth to compare with.
        standard_error: of that mean, autocorrelation allowed for.
        maximum: the largest absolute value after burn-in.
    """

    name: str
    mean: float
    standard_error: float
    maximum: float

    @property
    def title(self) -> str:
        """The name as one writes it: `analysis RMSE`."""
        return self.name.replace("_", " ").replace("rmse", "RMSE")


def read_scores(run: xr.Dataset) -> list[Score]:
    """The scores that the run file `run` states, those that it has."""
    return [_stated(run[name]) for name in (*SCORES, *ESTIMATES) if name in run]


def burn_in(run: xr.Dataset) -> int:
    """The number of first cycles which the mean scores of `run` leave out."""
    return next((int(run[name].attrs.get("burn_in", 0)) for name in SCORES if name in run), 0)


def disagreements(run: xr.Dataset) -> list[str]:
    """What the file states and its series do not give: one line each, none if all is well."""
    lines = []
    for stated in read_scores(run):
        series = run[stated.name].values[burn_in(run) :].astype(np.float64)
        again = time_mean(series)
        for kind in ("mean", "standard_error", "maximum"):
            told, found = getattr(stated, kind), getattr(again, kind)
            close = np.isclose(told, found, rtol=AGREEMENT, atol=AGREEMENT, equal_nan=True)
            if not close:
                lines.append(f"{stated.name}: {kind} is stated as {told}, the series gives {found}")
    return lines


def with_error(mean: float, standard_error: float) -> str:
    """`0.1993 ± 0.0012`: the mean to the second digit of its standard error, `-` if there is none.

    Without an error to go by, or with one that is zero or rounding alone, four significant digits
    are shown.
    """
    if not np.isfinite(mean):
        return "-"
    if not standard_error > AGREEMENT * abs(mean):
        return f"{mean:.4g}"
    decimals = max(0, 1 - int(np.floor(np.log10(standard_error))))
    return f"{mean:.{decimals}f} ± {standard_error:.{decimals}f}"


def _stated(variable: xr.DataArray) -> Score:
    attributes = variable.attrs
    return Score(
        str(variable.name),
        float(attributes.get("time_mean", np.nan)),
        float(attributes.get("standard_error", np.nan)),
        float(attributes.get("maximum", np.nan)),
    )
