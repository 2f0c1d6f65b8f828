"""Skill of forecasts from analyses by lead time."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dacycle.plot.style import BLUE, GREY, ORANGE, figure, legend
from dacycle.plot.type import Picture
from dacycle.verification.lead_times import USEFUL, LeadTimes, lead_times
from dacycle.verification.scores import with_error

__all__ = ["SkillPicture", "skill"]

ERRORS = 2
"""Standard errors that whiskers reach."""


class SkillPicture(Picture):
    """Errors and correlation by lead time."""

    needs = "lead_times in &verification"

    def can_be_drawn(self, run: xr.Dataset) -> bool:
        """Whether the run file holds what it needs."""
        return "forecast_rmse" in run

    def draw(self, run: xr.Dataset, last: int) -> Figure:
        """The picture; see `skill`."""
        return skill(run)


def skill(run: xr.Dataset) -> Figure:
    """Error (and spread) and correlation by lead time, up to the climatology.

    Raises:
        RunFileError: the run file has no forecasts.
    """
    found = lead_times(run)
    drawn = figure(run, f"Forecasts from analyses, ± {ERRORS} standard errors", 9, 6)
    rows = drawn.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    _errors(rows[0], found)
    axes = rows[1]
    axes.axhline(0, color=GREY, linewidth=1, linestyle="--")
    axes.errorbar(
        found.lead,
        found.correlation,
        yerr=ERRORS * found.correlation_error,
        color=BLUE,
        marker="o",
        markersize=4,
    )
    axes.set_ylim(top=1.05)
    axes.set_title("Correlation with the truth over space")
    axes.set_ylabel("correlation")
    axes.set_xlabel("lead time (model time)")
    axes.set_xlim(0, 1.02 * found.lead[-1])
    return drawn


def _errors(axes: Axes, found: LeadTimes) -> None:
    axes.errorbar(
        found.lead,
        found.rmse,
        yerr=ERRORS * found.rmse_error,
        color=BLUE,
        marker="o",
        markersize=4,
        label="RMSE",
    )
    if found.spread is not None and found.spread_error is not None:
        axes.errorbar(
            found.lead,
            found.spread,
            yerr=ERRORS * found.spread_error,
            color=ORANGE,
            marker="s",
            markersize=4,
            label="spread",
        )
    for level, words in (
        (found.climatology, "climatological sd"),
        (USEFUL * found.climatology, "half of it"),
    ):
        axes.axhline(level, color=GREY, linewidth=1, linestyle="--")
        axes.annotate(
            words,
            (1, level),
            xycoords=axes.get_yaxis_transform(),
            xytext=(-2, -3),
            textcoords="offset points",
            ha="right",
            va="top",
            color=GREY,
            fontsize=8,
        )
    title = "Error and spread"
    time = found.skill_time
    if np.isfinite(time.value):
        title = (
            f"RMSE reaches half the climatology at {with_error(time.value, time.standard_error)}"
        )
        axes.axvline(time.value, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_title(title)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("RMSE, spread (units of x)")
    legend(axes)
