"""Error and spread in time: what one looks at first."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dacycle.plot.style import BLUE, GREY, ORANGE, figure, legend, log_axis, series
from dacycle.plot.type import Picture
from dacycle.verification.scores import burn_in, read_scores, with_error

__all__ = ["ScoresPicture", "scores"]


class ScoresPicture(Picture):
    """RMSE and spread in time."""

    needs = "a run file"

    def can_be_drawn(self, run: xr.Dataset) -> bool:
        """Whether the run file holds what it needs."""
        return True

    def draw(self, run: xr.Dataset, last: int) -> Figure:
        """The picture; see `scores`."""
        return scores(run)


def scores(run: xr.Dataset) -> Figure:
    """RMSE against the truth and ensemble spread, of the analysis and of the background.

    The spread should match the RMSE: below it, the ensemble is too sure of itself. Without a truth
    in the file there is the spread alone.
    """
    drawn = figure(run, "Error and spread, with time mean ± standard error", 9, 6)
    rows = drawn.subplots(2, 1, sharex=True, sharey=True)
    for axes, state in zip(rows, ("analysis", "background"), strict=True):
        _state(axes, run, state)
    _burn_in(rows, run)
    rows[-1].set_xlabel("model time")
    return drawn


def _state(axes: Axes, run: xr.Dataset, state: str) -> None:
    stated = {score.name: score for score in read_scores(run)}
    time = run["time"].values
    positive = True
    for kind, colour in (("rmse", BLUE), ("spread", ORANGE)):
        name = f"{state}_{kind}"
        if name not in run:
            continue
        values = run[name].values
        if not np.any(np.isfinite(values)):
            continue
        score = stated[name]
        words = "RMSE" if kind == "rmse" else kind
        series(
            axes, time, values, colour, f"{words} {with_error(score.mean, score.standard_error)}"
        )
        positive = positive and bool(np.nanmin(values) > 0)
    if positive and axes.lines:
        log_axis(axes)
    axes.set_title(state.capitalize())
    axes.set_ylabel("RMSE, spread (units of x)")
    if axes.lines:
        legend(axes)


def _burn_in(rows: np.ndarray[tuple[int], np.dtype[np.object_]], run: xr.Dataset) -> None:
    """Shade the cycles that the mean scores leave out."""
    time = run["time"].values
    left_out = burn_in(run)
    if not 0 < left_out < time.size:
        return
    for axes in rows:
        axes.axvspan(time[0], time[left_out], color=GREY, alpha=0.15, linewidth=0)
        axes.annotate(
            "burn-in",
            (time[0], 0.02),
            xycoords=axes.get_xaxis_transform(),
            xytext=(3, 2),
            textcoords="offset points",
            color=GREY,
            fontsize=8,
        )
