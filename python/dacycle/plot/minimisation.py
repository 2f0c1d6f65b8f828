"""How minimisations converge, and the spectrum of their Hessian."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dacycle.plot.style import BLUE, GREY, ORANGE, figure, legend, log_axis
from dacycle.plot.type import Picture, has_settled_rows
from dacycle.verification.minimisation import Loop, convergence, hessian_spectrum

__all__ = [
    "ConvergencePicture",
    "HessianPicture",
    "convergence_by_iteration",
    "hessian_eigenvalues",
]

KNOWN = 0.01
"""Relative residual up to which a Ritz pair counts as an eigenpair."""


class ConvergencePicture(Picture):
    """Cost and gradient by iteration."""

    needs = "iterations in &diagnostics, and a row after burn-in"

    def can_be_drawn(self, run: xr.Dataset) -> bool:
        """Whether the run file holds what it needs."""
        return has_settled_rows(run, "iterate_cost", "diagnosed_time")

    def draw(self, run: xr.Dataset, last: int) -> Figure:
        """The picture; see `convergence_by_iteration`."""
        return convergence_by_iteration(run)


class HessianPicture(Picture):
    """Leading eigenvalues of the Hessian."""

    needs = "hessian in &diagnostics, and a row after burn-in"

    def can_be_drawn(self, run: xr.Dataset) -> bool:
        """Whether the run file holds what it needs."""
        return has_settled_rows(run, "hessian_eigenvalues", "diagnosed_time")

    def draw(self, run: xr.Dataset, last: int) -> Figure:
        """The picture; see `hessian_eigenvalues`."""
        return hessian_eigenvalues(run)


def convergence_by_iteration(run: xr.Dataset) -> Figure:
    """Cost with its parts, and gradient, one outer loop after another.

    Where a loop begins below the end of the one before, the new linearisation says that the state
    is better than was thought; where it begins above, worse.

    Raises:
        RunFileError: no costs by iteration were written after burn-in.
    """
    loops = convergence(run)
    drawn = figure(run, "Minimisation, mean over the cycles after burn-in", 8, 6)
    above, below = drawn.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    first = 0
    for loop in loops:
        _loop(above, below, loop, first, first == 0)
        first += loop.cost.size - 1
        if loop is not loops[-1]:
            for axes in (above, below):
                axes.axvline(first, color=GREY, linewidth=0.8, linestyle=":")
    above.set_ylabel("cost function J")
    above.set_ylim(bottom=0)
    above.set_title("Quadratic cost")
    legend(above)
    below.set_yscale("log")
    below.set_title("Norm of the gradient (geometric mean)")
    below.set_ylabel("in control space")
    below.set_xlabel("inner iteration, outer loops one after another")
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    below.set_xlim(0, max(first, 1))
    return drawn


def _loop(above: Axes, below: Axes, loop: Loop, first: int, labelled: bool) -> None:
    """One loop from iteration `first` on; lines are labelled once."""
    iterations = first + np.arange(loop.cost.size)
    lines = (
        (loop.cost, BLUE, "J"),
        (loop.observations, ORANGE, "observations"),
        (loop.background, GREY, "background"),
    )
    for values, colour, label in lines:
        above.plot(
            iterations,
            values,
            color=colour,
            marker="o",
            markersize=3,
            label=label if labelled else None,
        )
    below.plot(iterations, loop.gradient, color=BLUE, marker="o", markersize=3)


def hessian_eigenvalues(run: xr.Dataset) -> Figure:
    """Leading eigenvalues of the Hessian; 1 is a direction that only the background knows.

    Raises:
        RunFileError: no eigenvalues were written after burn-in.
    """
    found = hessian_spectrum(run)
    number = 1 + np.arange(found.mean.size)
    drawn = figure(run, "Hessian in control space, after burn-in", 6.5, 4.2)
    axes = drawn.subplots()
    axes.fill_between(
        number,
        found.low,
        found.high,
        color=BLUE,
        alpha=0.2,
        linewidth=0,
        label="10-90 % of the cycles",
    )
    axes.plot(number, found.mean, color=BLUE, marker="o", markersize=4, label="mean")
    unsure = found.residual > KNOWN
    if unsure.any():
        axes.plot(
            number[unsure],
            found.mean[unsure],
            linestyle="none",
            marker="o",
            markersize=7,
            markerfacecolor="none",
            color=ORANGE,
            label=f"residual above {KNOWN:.0%}",
        )
    axes.axhline(1, color=GREY, linewidth=1, linestyle="--")
    log_axis(axes)
    axes.set_title("Eigenvalues")
    axes.set_ylabel("eigenvalue")
    axes.set_xlabel("number, the largest first")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(0.5, number[-1] + 0.5)
    legend(axes)
    return drawn
