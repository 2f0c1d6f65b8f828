"""Rank histograms of background and analysis, with the errors of their bars."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dacycle.plot.style import BLUE, GREY, ORANGE, figure, legend
from dacycle.plot.type import Picture
from dacycle.verification.ranks import rank_histogram
from dacycle.verification.scores import with_error

__all__ = ["RanksPicture", "ranks"]

ERRORS = 2
"""Standard errors that the bars' whiskers reach."""

MOST_BARS = 60
"""Whiskers on more bars than these would hide them."""


class RanksPicture(Picture):
    """Rank histogram of the truth."""

    needs = "rank_histogram in &verification"

    def can_be_drawn(self, run: xr.Dataset) -> bool:
        """Whether the run file holds what it needs."""
        return "background_ranks" in run

    def draw(self, run: xr.Dataset, last: int) -> Figure:
        """The picture; see `ranks`."""
        return ranks(run)


def ranks(run: xr.Dataset) -> Figure:
    """How often the truth had each rank among the members, relative to a flat histogram.

    A U tells of too little spread, a dome of too much, a slope of a bias.

    Raises:
        RunFileError: the run file has no ranks.
    """
    drawn = figure(run, "Rank of the truth among the members, relative to equal frequency", 9, 4)
    row = drawn.subplots(1, 2, sharey=True)
    for axes, state, colour in zip(row, ("background", "analysis"), (ORANGE, BLUE), strict=True):
        _histogram(axes, run, state, colour)
    row[0].set_ylabel("frequency over that of a flat histogram")
    return drawn


def _histogram(axes: Axes, run: xr.Dataset, state: str, colour: str) -> None:
    found = rank_histogram(run, state)
    classes = found.frequency.size
    rank = np.arange(classes)
    axes.bar(rank, classes * found.frequency, width=0.9, color=colour, alpha=0.55)
    if classes <= MOST_BARS:
        axes.errorbar(
            rank,
            classes * found.frequency,
            yerr=ERRORS * classes * found.standard_error,
            fmt="none",
            ecolor=colour,
            elinewidth=1.2,
            label=f"± {ERRORS} standard errors",
        )
    axes.axhline(1, color=GREY, linewidth=1, linestyle="--", label="flat")
    axes.set_title(state.capitalize())
    axes.set_xlabel(
        "members below the truth\n"
        f"bias {with_error(found.bias.value, found.bias.standard_error)},  dispersion "
        f"{with_error(found.dispersion.value, found.dispersion.standard_error)}"
    )
    axes.set_xlim(-0.7, classes - 0.3)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=False, axis="x")
    legend(axes)
