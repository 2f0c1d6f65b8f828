"""What observations did to forecasts: the estimate beside the actual change, and arcs compared."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dacycle.plot.style import BLUE, GREY, figure
from dacycle.plot.type import Picture
from dacycle.verification.estimate import settled
from dacycle.verification.impact import by_region, total_impact, was_judged

__all__ = ["ImpactPicture", "impact"]

ERRORS = 2
"""Standard errors that whiskers reach."""

REGIONS = 8
"""Arcs of equal length of the circle."""


class ImpactPicture(Picture):
    """What observations did to forecasts."""

    needs = "every in &impact, and cycles judged after burn-in"

    def can_be_drawn(self, run: xr.Dataset) -> bool:
        """Whether the run file holds what it needs."""
        return was_judged(run)

    def draw(self, run: xr.Dataset, last: int) -> Figure:
        """The picture; see `impact`."""
        return impact(run)


def impact(run: xr.Dataset) -> Figure:
    """The adjoint's estimate against the actual change of each forecast's error, and by region.

    Raises:
        RunFileError: no observations were judged after burn-in.
    """
    total = total_impact(run)
    drawn = figure(
        run,
        f"observation impact: ratio {total.ratio.value:.2f}, correlation {total.correlation:.2f}",
        9,
        4.2,
    )
    if "obs_impact" in run:
        left, right = drawn.subplots(1, 2)
        _regions(right, run)
    else:
        left = drawn.subplots()
    _cycles(left, run)
    return drawn


def _cycles(axes: Axes, run: xr.Dataset) -> None:
    kept = settled(run, run["impact_time"].values)
    actual = run["impact_actual"].values[kept]
    estimated = run["impact_estimated"].values[kept]
    axes.plot(actual, estimated, ".", color=BLUE, markersize=3, alpha=0.5)
    axes.axline((0, 0), slope=1, color=GREY, linewidth=1, linestyle="--")
    axes.set_xlabel("$e_a - e_b$ of a cycle")
    axes.set_ylabel("sum of the impacts")


def _regions(axes: Axes, run: xr.Dataset) -> None:
    groups = by_region(run, [float(edge) for edge in np.linspace(0, run.sizes["x"], REGIONS + 1)])
    place = np.arange(len(groups))
    axes.bar(
        place,
        [one.impact.value for one in groups.values()],
        yerr=[ERRORS * one.impact.standard_error for one in groups.values()],
        color=BLUE,
    )
    axes.set_xticks(place, [f"{first:g}-{end:g}" for first, end in groups], rotation=45)
    axes.set_xlabel("grid coordinate")
    axes.set_ylabel("impact a cycle; below 0: helped")
    axes.grid(visible=False, axis="x")
