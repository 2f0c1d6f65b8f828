"""RMSE of filter and smoother against the length of the window: the picture of the table `windows`.

.venv/bin/python experiments/window_figure.py

Draws what results/windows.json holds into window_figure/figure.png; `remake.py` calls it.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator
from remaking import pages, spec

from dacycle.plot.style import BLUE, GREY, ORANGE, RESOLUTION, styled

PICTURES = spec.EXPERIMENTS / "window_figure"
GREEN, PURPLE = "#009E73", "#CC79A7"
STYLES = (
    (GREY, "", "--"),
    (BLUE, "s", "-"),
    (ORANGE, "o", "-"),
    (GREEN, "^", "-"),
    (PURPLE, "v", "-"),
)
ERRORS = 2
"""Standard errors that whiskers reach."""


@dataclass(frozen=True)
class Result:
    """A score with its standard error."""

    mean: float
    standard_error: float


@dataclass(frozen=True)
class Point:
    """A scheme at one window: 0 is none; no score where a seed lost the truth or there is none."""

    curve: str
    window: int
    filter: Result | None
    smoother: Result | None


def points() -> list[Point]:
    """All that the table has."""
    made = pages.results("windows")["cells"]
    found = []
    for row in spec.tables()["windows"].rows:
        scores = [
            Result(one["mean"], one["standard_error"]) if one.get("lost") == 0 else None
            for one in (made[f"{row.id}/analysis_rmse"], made[f"{row.id}/smoothed_rmse?"])
        ]
        window = int(row.text[1]) if row.text[1] != "-" else 0
        found.append(Point(row.text[0], window, *scores))
    return found


def picture(points: Sequence[Point]) -> Figure:
    """Filter and smoother side by side, a line a scheme; one without a window is a level."""
    drawn = Figure(figsize=(9, 4.2), layout="constrained")
    left, right = drawn.subplots(1, 2)
    _panel(left, points, "filter", "Filter: the analysis at the window's end")
    _panel(right, points, "smoother", "Smoother: at its start")
    left.set_ylabel("RMSE")
    handles, labels = left.get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    return drawn


def _panel(axes: Axes, points: Sequence[Point], which: str, title: str) -> None:
    lengths = sorted({point.window for point in points if point.window})
    for name, (colour, marker, dashes) in zip(
        dict.fromkeys(point.curve for point in points), STYLES, strict=False
    ):
        here = [point for point in points if point.curve == name]
        found = [(p.window, r) for p in here if (r := getattr(p, which)) is not None]
        if found and found[0][0] == 0:
            axes.axhline(found[0][1].mean, color=colour, linestyle=dashes, label=name)
        elif found:
            axes.errorbar(
                [window for window, _ in found],
                [result.mean for _, result in found],
                yerr=[ERRORS * result.standard_error for _, result in found],
                color=colour,
                marker=marker,
                markersize=4,
                linestyle=dashes,
                label=name,
            )
    axes.set_xscale("log")
    axes.set_xticks(lengths)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.margins(x=0.04)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("window (cycles of 0.05)")
    axes.set_title(title)


def main() -> int:
    """Draw."""
    PICTURES.mkdir(exist_ok=True)
    with styled():
        picture(points()).savefig(PICTURES / "figure.png", dpi=RESOLUTION)
    return 0


if __name__ == "__main__":
    sys.exit(main())
