"""Reliability diagrams: what came true of what was foretold."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dacycle.plot.style import BLUE, GREY, ORANGE, figure
from dacycle.plot.type import Picture
from dacycle.verification.reliability import Curve, Reliability, reliability, reliability_curves
from dacycle.verification.scores import with_error

__all__ = ["ReliabilityPicture", "reliability_diagram"]

ERRORS = 2
"""Standard errors that whiskers reach."""

MOST_POINTS = 13
"""Of a curve; of more members, neighbouring probabilities are joined."""

COLUMNS = 3
"""Diagrams side by side."""


class ReliabilityPicture(Picture):
    """Observed frequency by forecast probability."""

    needs = "thresholds in &verification"

    def can_be_drawn(self, run: xr.Dataset) -> bool:
        """Whether the run file holds what it needs."""
        return "event_forecasts" in run

    def draw(self, run: xr.Dataset, last: int) -> Figure:
        """The picture; see `reliability_diagram`."""
        return reliability_diagram(run)


def reliability_diagram(run: xr.Dataset) -> Figure:
    """Observed frequency by forecast probability for each event, and how often each was given.

    On the diagonal, forecasts mean what they say. Below it on the right and above it on the left
    they are too sure of themselves.

    Raises:
        RunFileError: the run file has no events.
    """
    events = reliability(run)
    curves = reliability_curves(run, MOST_POINTS)
    columns = min(COLUMNS, len(events))
    rows = -(-len(events) // columns)
    drawn = figure(
        run, "Reliability of the background's probabilities", 1.2 + 3.4 * columns, 5.2 * rows + 0.4
    )
    heights = [3, 1] * rows
    grid = drawn.subplots(
        2 * rows, columns, squeeze=False, gridspec_kw={"height_ratios": heights}, sharex=True
    )
    for index in range(rows * columns):
        row, column = divmod(index, columns)
        above, below = grid[2 * row, column], grid[2 * row + 1, column]
        if index >= len(events):
            above.remove()
            below.remove()
            continue
        _diagram(above, events[index], curves[index])
        _sharpness(below, events[index])
        if column == 0:
            above.set_ylabel("observed frequency")
            below.set_ylabel("forecasts")
    return drawn


def _diagram(axes: Axes, event: Reliability, curve: Curve) -> None:
    rate = event.rate
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--")
    axes.axhline(rate, color=GREY, linewidth=0.8, linestyle=":")
    axes.annotate(
        "climatology",
        (0, rate),
        xytext=(0, 2),
        textcoords="offset points",
        ha="left",
        color=GREY,
        fontsize=8,
    )
    axes.errorbar(
        curve.probability,
        curve.frequency,
        yerr=ERRORS * curve.standard_error,
        color=BLUE,
        marker="o",
        markersize=4,
        elinewidth=1.2,
    )
    axes.set_xlim(-0.06, 1.06)
    axes.set_ylim(-0.03, 1.03)
    axes.set_title(f"x > {event.threshold:g}")
    lines = {
        "Brier score": event.brier,
        "reliability": event.reliability,
        "resolution": event.resolution,
    }
    axes.text(
        0.98,
        0.03,
        "\n".join(
            f"{name} {with_error(one.value, one.standard_error)}" for name, one in lines.items()
        ),
        transform=axes.transAxes,
        ha="right",
        va="bottom",
        fontsize=8,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 2},
    )


def _sharpness(axes: Axes, event: Reliability) -> None:
    width = 0.8 / max(event.probability.size - 1, 1)
    given = event.forecasts > 0
    axes.bar(
        event.probability[given], event.forecasts[given], width=width, color=ORANGE, alpha=0.55
    )
    if np.any(given):
        axes.set_yscale("log")
        axes.set_ylim(bottom=max(0.5, 0.5 * float(event.forecasts[given].min())))
    axes.tick_params(labelbottom=True)
    axes.set_xlabel("forecast probability")
