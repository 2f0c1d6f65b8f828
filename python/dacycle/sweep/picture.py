"""The map of a sweep as a picture: heat maps of a grid, a scatter of what Optuna tried."""

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from dacycle.errors import SweepError
from dacycle.plot.style import BLUE, GREY, ORANGE, RESOLUTION, legend, styled
from dacycle.sweep.plan import Plan, listed
from dacycle.sweep.result import Result, best
from dacycle.sweep.table import axes_of, cell, panels, summary

__all__ = ["draw", "picture"]

COLOURS = "viridis"
LOST = "#D9D9D9"
"""The colour of a cell whose runs diverged."""

WORST = 2.0
"""Times the best: errors beyond it share a colour, so that the valley keeps its shades."""

CELL_WIDTH, CELL_HEIGHT = 0.62, 0.36
MARGIN_WIDTH, MARGIN_HEIGHT = 1.6, 1.5
SMALLEST = 3.2
"""Inches."""


def draw(plan: Plan, results: Sequence[Result], path: str | os.PathLike[str]) -> None:
    """Write the picture of a sweep; the ending of `path` says in which format.

    Raises:
        SweepError: it cannot be written.
    """
    try:
        with styled():
            picture(plan, results).savefig(path, dpi=RESOLUTION)
    except OSError as error:
        raise SweepError(f"{path}: {error.strerror}") from error


def picture(plan: Plan, results: Sequence[Result]) -> Figure:
    """The picture of a sweep: colour or height is the objective, the best point is marked."""
    if plan.search == "optuna":
        return _scatter(plan, results)
    return _heat_maps(plan, results) if len(axes_of(plan)) > 1 else _curves(plan, results)


def _heat_maps(plan: Plan, results: Sequence[Result]) -> Figure:
    maps = panels(plan, results)
    down, across = axes_of(plan)
    rows, columns = listed(plan.keys[down]), listed(plan.keys[across])
    width = max(SMALLEST, CELL_WIDTH * len(columns) + MARGIN_WIDTH)
    height = max(SMALLEST, CELL_HEIGHT * len(rows) + MARGIN_HEIGHT)
    drawn = Figure(figsize=(width * len(maps), height), layout="constrained")
    every: Any = drawn.subplots(1, len(maps), squeeze=False)
    for axes, (_, here), line in zip(every[0], maps, summary(plan, results), strict=True):
        _heat_map(axes, here, (down, rows), (across, columns))
        axes.set_title(_wrapped(line), fontsize=8, fontweight="normal")
    return drawn


def _heat_map(
    axes: Axes,
    results: Sequence[Result],
    down: tuple[str, list[Any]],
    across: tuple[str, list[Any]],
) -> None:
    means = np.full((len(down[1]), len(across[1])), np.nan)
    places = {}
    for result in results:
        place = (down[1].index(result.point[down[0]]), across[1].index(result.point[across[0]]))
        places[place] = result
        if math.isfinite(result.mean):
            means[place] = result.mean
    least = best(results)
    floor = least.mean if least else 1.0
    colours = colormaps[COLOURS].with_extremes(bad=LOST)
    norm = Normalize(floor, WORST * floor)
    image = axes.imshow(means, norm=norm, cmap=colours, aspect="auto", origin="lower")
    for (row, column), result in places.items():
        dark = math.isfinite(result.mean) and norm(result.mean) < 0.6
        axes.annotate(
            cell(result)[:7],
            (column, row),
            ha="center",
            va="center",
            fontsize=7,
            color="white" if dark else "black",
        )
        if result is least:
            axes.add_patch(_frame(column, row))
    axes.set_xticks(range(len(across[1])), [str(value) for value in across[1]])
    axes.set_yticks(range(len(down[1])), [str(value) for value in down[1]])
    axes.set_xlabel(across[0])
    axes.set_ylabel(down[0])
    axes.grid(False)
    assert axes.figure is not None
    axes.figure.colorbar(image, ax=axes, extend="max", pad=0.02)


def _frame(column: int, row: int) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=ORANGE, linewidth=2.5)


def _curves(plan: Plan, results: Sequence[Result]) -> Figure:
    (across,) = axes_of(plan)
    drawn = Figure(figsize=(6, 4), layout="constrained")
    axes = drawn.subplots()
    values = listed(plan.keys[across])
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    where = {value: value if numbers else index for index, value in enumerate(values)}
    _against(axes, results, {id(r): where[r.point[across]] for r in results})
    if not numbers:
        axes.set_xticks(range(len(values)), [str(value) for value in values])
    axes.set_xlabel(across)
    axes.set_ylabel(plan.objective)
    axes.set_title(_wrapped(summary(plan, results)[0]), fontsize=8, fontweight="normal")
    return drawn


def _scatter(plan: Plan, results: Sequence[Result]) -> Figure:
    """The objective against each key; with two numeric keys the plane that they span."""
    keys = list(plan.keys)
    numeric = [all(isinstance(r.point[key], int | float) for r in results) for key in keys]
    plane = len(keys) == 2 and all(numeric)
    count = 1 if plane else len(keys)
    drawn = Figure(figsize=(5.5 if plane else 4 * count, 4.2), layout="constrained")
    every: Any = drawn.subplots(1, count, squeeze=False)
    if plane:
        _plane(every[0][0], results, keys[1], keys[0], plan.objective)
    else:
        for axes, key, number in zip(every[0], keys, numeric, strict=True):
            names = [str(value) for value in dict.fromkeys(r.point[key] for r in results)]
            places = {
                id(r): r.point[key] if number else names.index(str(r.point[key])) for r in results
            }
            _against(axes, results, places)
            if not number:
                axes.set_xticks(range(len(names)), names)
            axes.set_xlabel(key)
        every[0][0].set_ylabel(plan.objective)
    drawn.suptitle(_wrapped(summary(plan, results)[0]), fontsize=9)
    return drawn


def _plane(axes: Axes, results: Sequence[Result], across: str, down: str, objective: str) -> None:
    good = [r for r in results if math.isfinite(r.mean)]
    lost = [r for r in results if not math.isfinite(r.mean)]
    least = best(results)
    axes.margins(0.05)
    axes.scatter(
        [r.point[across] for r in lost],
        [r.point[down] for r in lost],
        marker="x",
        color=GREY,
        label="diverged" if lost else "_",
    )
    if least is not None:
        norm = Normalize(least.mean, WORST * least.mean)
        shown = axes.scatter(
            [r.point[across] for r in good],
            [r.point[down] for r in good],
            c=[r.mean for r in good],
            norm=norm,
            cmap=COLOURS,
        )
        at = (least.point[across], least.point[down])
        axes.scatter(*at, s=160, facecolors="none", edgecolors=ORANGE, linewidths=2, label="best")
        assert axes.figure is not None
        axes.figure.colorbar(shown, ax=axes, extend="max", label=objective)
    axes.set_xlabel(across)
    axes.set_ylabel(down)
    legend(axes)


def _against(axes: Axes, results: Sequence[Result], places: dict[int, Any]) -> None:
    """The objective against a key; diverged points as crosses at the top."""
    good = [r for r in results if math.isfinite(r.mean)]
    lost = [r for r in results if not math.isfinite(r.mean)]
    errors = [0.0 if math.isnan(r.standard_error) else r.standard_error for r in good]
    axes.margins(x=0.05)
    axes.errorbar(
        [places[id(r)] for r in good], [r.mean for r in good], yerr=errors, fmt="o", color=BLUE
    )
    axes.plot(
        [places[id(r)] for r in lost],
        [0.97] * len(lost),
        "x",
        color=GREY,
        transform=axes.get_xaxis_transform(),
        label="diverged" if lost else "_",
    )
    least = best(results)
    if least is not None:
        axes.plot(places[id(least)], least.mean, "o", color=ORANGE, markersize=9, label="best")
        top = max(r.mean for r in good)
        axes.set_ylim(top=min(top, WORST * least.mean) * 1.1)
    if least is not None or lost:
        legend(axes)


def _wrapped(line: str) -> str:
    return line.replace(" at ", "\nat ").replace("; ", "\n")
