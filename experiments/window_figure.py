"""RMSE of filter and smoother against the length of the window: picture and table.

.venv/bin/python experiments/window_figure.py [--jobs 2] [--only TEXT] [--runs output/window_figure]

Curves and settings are in window_figure.toml. Each point is a small sweep of the settings named
there, of which the one with the least filter RMSE is shown. Runs that are there already are kept
(as by `dacycle sweep`): a call after an interruption does the rest. Writes window_figure/figure.png
and .csv, and the table into README.md; with --only it prints its rows and leaves those alone.
"""

import argparse
import csv
import math
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from dacycle import namelist as nml
from dacycle.plot.style import BLUE, GREY, ORANGE, RESOLUTION, styled
from dacycle.sweep import Plan, Result, best, runs_of, sweep
from dacycle.sweep.execute import cores
from dacycle.verification.scores import with_error

EXPERIMENTS = Path(__file__).resolve().parent
PAGE = EXPERIMENTS / "README.md"
CURVES = EXPERIMENTS / "window_figure.toml"
PICTURES = EXPERIMENTS / "window_figure"
RUNS = EXPERIMENTS.parent / "output" / "window_figure"
BEGIN = "<!-- made by window_figure.py -->\n"
END = "<!-- end of window_figure.py -->\n"
HEAD = """\
| scheme | window | best setting | filter | smoother |
|---|---|---|---|---|
"""
FILTER, SMOOTHER = "analysis_rmse", "smoothed_rmse"
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
class Curve:
    """A scheme for windows of several lengths.

    Attributes:
        name: what table and picture call it.
        windows: the sweep of each length; of a filter without a window, one of length 0.
    """

    name: str
    windows: dict[int, Plan]


@dataclass(frozen=True)
class Point:
    """The best setting of a scheme for one window.

    Attributes:
        curve: name of the scheme.
        window: its length in cycles; 0: none.
        filter: the sweep's result for the analysis at the window's end; none if every setting
            lost the truth.
        smoother: the same runs at the window's start.
    """

    curve: str
    window: int
    filter: Result | None
    smoother: Result | None


def read_curves(path: Path, **changes: Any) -> list[Curve]:
    """The curves of a file such as window_figure.toml.

    Args:
        path: of the file.
        changes: of its entries `cycles`, `burn_in` and `seeds`.

    Raises:
        ValueError: a curve has an unknown entry or no window.
    """
    tables = tomllib.loads(path.read_text(encoding="utf-8")) | changes
    length = {"cycles": tables["cycles"], "burn_in": tables["burn_in"]}
    common = nml.merge(tables["base"], {"cycle": length})
    plan = Plan(
        base=common,
        keys={},
        seeds=tuple(tables["seeds"]),
        objective=FILTER,
        diverged_above=tables["lost_above"],
    )
    return [_curve(table, plan) for table in tables["curve"]]


def _curve(table: dict[str, Any], plan: Plan) -> Curve:
    unknown = table.keys() - {"name", "length", "base", "windows"}
    if unknown or not table.get("windows"):
        what = f"unknown entry {min(unknown)}" if unknown else "no windows"
        raise ValueError(f"curve {table.get('name', '?')!r}: {what}")
    windows = {}
    for name, keys in table["windows"].items():
        base = nml.merge(plan.base, table["base"])
        if "length" in table:
            group, _, key = table["length"].partition(".")
            base = nml.merge(base, {group: {key: int(name)}})
        windows[int(name)] = replace(
            plan, base=base, keys={key: tuple(values) for key, values in keys.items()}
        )
    return Curve(table["name"], windows)


def run(curve: Curve, window: int, runs: Path, jobs: int) -> Point:
    """The best of a scheme's settings for one window; runs that `runs` holds are kept."""
    plan = curve.windows[window]
    folder = runs / f"{curve.name.lower().replace(' ', '_')}_{window}"
    least = best(sweep(plan, folder, jobs=jobs))
    if least is None or window == 0:
        return Point(curve.name, window, least, None)
    again = replace(plan, objective=SMOOTHER, diverged_above=math.inf)
    same = next(one for one in sweep(again, folder, jobs=jobs) if one.point == least.point)
    return Point(curve.name, window, least, same)


def shown(result: Result | None, objective: str) -> str:
    """A result as the table has it."""
    if result is None:
        return "lost the truth" if objective == FILTER else "-"
    return with_error(result.mean, result.standard_error)


def setting(point: Point) -> str:
    """The tuned keys of a point."""
    if point.filter is None:
        return "none"
    keys = point.filter.point.items()
    return ", ".join(f"`{key} = {value}`" for key, value in keys)


def line(point: Point) -> str:
    """A row of the table."""
    cells = [
        point.curve,
        str(point.window or "-"),
        setting(point),
        shown(point.filter, FILTER),
        shown(point.smoother, SMOOTHER),
    ]
    return f"| {' | '.join(cells)} |\n"


def csv_text(points: Sequence[Point]) -> str:
    """A row a point: tuned keys, means and standard errors."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    head = ["scheme", "window", "setting"]
    writer.writerow([*head, FILTER, "standard_error", SMOOTHER, "standard_error"])
    for point in points:
        numbers = [
            f"{value:.6f}" if result else ""
            for result in (point.filter, point.smoother)
            for value in (result and result.mean, result and result.standard_error)
        ]
        writer.writerow([point.curve, point.window, setting(point).replace("`", ""), *numbers])
    return text.getvalue()


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


def put(page: str, lines: Sequence[str]) -> str:
    """The page with a new table in place of the old one."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks the lines {BEGIN.strip()} and {END.strip()}")
    return "".join([before, BEGIN, "\n", HEAD, *lines, "\n", END, after])


def main() -> int:
    """Run what is missing, then write table and picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=cores(), help="runs at a time")
    parser.add_argument("--only", default="", metavar="TEXT", help="curves whose name holds TEXT")
    parser.add_argument("--runs", type=Path, default=RUNS, help="where the runs are kept")
    given = parser.parse_args()
    points = []
    for curve in read_curves(CURVES):
        if given.only not in curve.name:
            continue
        for window, plan in curve.windows.items():
            sys.stderr.write(f"{curve.name}, window {window}: {runs_of(plan)} runs\n")
            points.append(run(curve, window, given.runs, given.jobs))
            sys.stdout.write(line(points[-1]))
            sys.stdout.flush()
    if given.only:
        return 0
    PICTURES.mkdir(exist_ok=True)
    with styled():
        picture(points).savefig(PICTURES / "figure.png", dpi=RESOLUTION)
    (PICTURES / "figure.csv").write_text(csv_text(points), encoding="utf-8")
    lines = [line(point) for point in points]
    PAGE.write_text(put(PAGE.read_text(encoding="utf-8"), lines), encoding="utf-8")
    return 1 if any(point.filter is None for point in points) else 0


if __name__ == "__main__":
    sys.exit(main())
