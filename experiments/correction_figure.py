"""Errors of forecasts with a plain, a corrected and a perfect model: picture of docs/correction.md.

.venv/bin/python experiments/correction_figure.py

Runs the rows of the table `correction` that have lead times once more, with their files kept;
`remake.py` calls it.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from remaking import spec
from remaking.runs import Runner, task

from dacycle.plot.style import BLUE, GREY, ORANGE, RESOLUTION, styled
from dacycle.run_file import open_run
from dacycle.sweep.execute import cores
from dacycle.verification.lead_times import lead_times

COLOURS = {"plain": GREY, "corrected": ORANGE, "perfect": BLUE}
ERRORS = 2
"""Standard errors that whiskers reach."""


def picture(rows: dict[str, list[tuple[str, Sequence[Path]]]]) -> Figure:
    """Errors of forecasts from the analyses, by lead: a panel a truth."""
    drawn = Figure(figsize=(9, 3.8), layout="constrained")
    panels = drawn.subplots(1, len(rows), squeeze=False)[0]
    for axes, (twin, found) in zip(panels, rows.items(), strict=True):
        for model, paths in found:
            _curve(axes, model, paths)
        axes.set_title(twin)
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.margins(x=0.04)
        axes.set_xlabel("lead time (model time)")
        axes.set_ylabel("RMSE")
        axes.legend(frameon=False)
    return drawn


def _curve(axes: Axes, model: str, paths: Sequence[Path]) -> None:
    leads, errors = [], []
    for path in paths:
        with open_run(path) as found:
            skill = lead_times(found)
        leads = [float(lead) for lead in skill.lead]
        errors.append(skill.rmse)
    mean = np.mean(errors, axis=0)
    error = np.std(errors, axis=0, ddof=1) / len(errors) ** 0.5 if len(errors) > 1 else 0 * mean
    colour = COLOURS[model.partition(",")[0]]
    axes.errorbar(
        leads, mean, yerr=ERRORS * error, color=colour, marker="o", markersize=4, label=model
    )


def main() -> int:
    """Run what is missing, and draw."""
    runner = Runner(cores())
    table = spec.tables()["correction"]
    shown: dict[str, list[tuple[str, Sequence[Path]]]] = {}
    for row in table.rows:
        if "verification" not in row.groups:
            continue
        cell = next(cell for cell in table.cells(row) if cell is not None)
        runs = runner([task(cell.groups, seed, keep=True) for seed in cell.seeds])
        model = row.text[2].partition(" {")[0]
        shown.setdefault(row.text[0], []).append((model, [run.file for run in runs]))
    with styled():
        picture(shown).savefig(spec.EXPERIMENTS / "correction" / "figure.png", dpi=RESOLUTION)
    return 0


if __name__ == "__main__":
    sys.exit(main())
