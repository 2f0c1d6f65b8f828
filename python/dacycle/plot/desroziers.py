"""Error variances that the innovations show, beside those that the analysis assumed."""

from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dacycle.errors import RunFileError
from dacycle.plot.style import BLUE, GREY, ORANGE, figure, legend
from dacycle.plot.type import Picture
from dacycle.verification.desroziers import Desroziers, desroziers, kinds, was_assimilated
from dacycle.verification.estimate import Estimate

__all__ = ["DesroziersPicture", "desroziers_by_region"]

ERRORS = 2
"""Standard errors that whiskers reach."""

REGIONS = 8
"""Arcs of equal length of the circle."""


class DesroziersPicture(Picture):
    """Diagnosed variances over assumed ones."""

    needs = "feedback in &output, and observations assimilated after burn-in"

    def can_be_drawn(self, run: xr.Dataset) -> bool:
        """Whether the run file holds what it needs."""
        return was_assimilated(run)

    def draw(self, run: xr.Dataset, last: int) -> Figure:
        """The picture; see `desroziers_by_region`."""
        return desroziers_by_region(run)


def desroziers_by_region(run: xr.Dataset) -> Figure:
    """Diagnosed over assumed variances of observations, background and innovations.

    For all observations, for each kind where there are several, and for arcs of the circle: 1 is
    what an analysis with the right covariances shows.

    Raises:
        RunFileError: no observation was assimilated after burn-in.
    """
    groups = {"all": desroziers(run)}
    every = kinds(run)
    if len(every) > 1:
        groups |= {f"kind {kind}": desroziers(run, kind) for kind in every}
    groups |= _by_region(run)
    drawn = figure(
        run, f"Desroziers: diagnosed over assumed variance, ± {ERRORS} standard errors", 9, 4.4
    )
    _ratios(drawn.subplots(), groups)
    return drawn


def _by_region(run: xr.Dataset) -> dict[str, Desroziers]:
    edges = np.linspace(0, run.sizes["x"], REGIONS + 1)
    found = {}
    for first, end in pairwise(edges):
        # Positions lie in [0, n): an arc ends just before the next begins.
        last = float(np.nextafter(end, first))
        try:
            found[f"{first:g}-{end:g}"] = desroziers(run, region=(float(first), last))
        except RunFileError:
            continue
    return found


def _ratios(axes: Axes, groups: dict[str, Desroziers]) -> None:
    place = np.arange(len(groups))
    rows = {
        "observations, $d_{oa} d_{ob}$ over $R$": (
            BLUE,
            "o",
            [one.observation_ratio for one in groups.values()],
        ),
        "background, $d_{ab} d_{ob}$ over spread²": (
            ORANGE,
            "s",
            [one.background_ratio for one in groups.values()],
        ),
        "innovations, $d_{ob}^2$ over the sum": (
            GREY,
            "^",
            [one.innovation_ratio for one in groups.values()],
        ),
    }
    for offset, (label, (colour, marker, ratios)) in zip(
        (-0.2, 0.0, 0.2), rows.items(), strict=True
    ):
        _points(axes, place + offset, ratios, colour, marker, label)
    axes.axhline(1, color=GREY, linewidth=1, linestyle="--")
    axes.set_xticks(place, list(groups))
    axes.set_xlim(-0.6, len(groups) - 0.4)
    axes.set_xlabel("observations: all, and by grid coordinate")
    axes.set_ylabel("diagnosed over assumed")
    axes.grid(visible=False, axis="x")
    legend(axes)


def _points(
    axes: Axes,
    place: NDArray[np.floating[Any]],
    ratios: list[Estimate],
    colour: str,
    marker: str,
    label: str,
) -> None:
    axes.errorbar(
        place,
        [one.value for one in ratios],
        yerr=[ERRORS * one.standard_error for one in ratios],
        fmt=marker,
        color=colour,
        markersize=5,
        elinewidth=1.2,
        label=label,
    )
