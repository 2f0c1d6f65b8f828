"""Scores of the cycle with a plain, a corrected and a perfect model: table and picture.

.venv/bin/python experiments/correction/correction_table.py [--jobs 2] [--only TEXT]

The rows are in scores.toml. Runs are kept in output/correction/scores: a call after an interruption
does the rest. Writes the table into docs/correction.md and figure.png, forecasts by lead time; with
--only it prints its rows and leaves those alone.
"""

import argparse
import sys
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from numpy.typing import NDArray

import dacycle
from dacycle import namelist as nml
from dacycle.plot.style import BLUE, GREY, ORANGE, RESOLUTION, styled
from dacycle.run_file import open_run
from dacycle.sweep.execute import cores
from dacycle.verification.lead_times import lead_times

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
PAGE = REPOSITORY / "docs" / "correction.md"
RUNS = REPOSITORY / "output" / "correction" / "scores"
BEGIN = "<!-- made by correction_table.py -->\n"
END = "<!-- end of correction_table.py -->\n"
HEAD = """\
| truth | scheme | model | analysis RMSE | each seed | forecast | spread |
|---|---|---|---|---|---|---|
"""
WORDS = {"twin", "scheme", "forecast", "cycles", "seeds", "lines"}
COLOURS = {"plain": GREY, "corrected": ORANGE, "perfect": BLUE}
ERRORS = 2
"""Standard errors that whiskers reach."""


@dataclass(frozen=True)
class Row:
    """A scheme with one of the models.

    Attributes:
        twin: which truth.
        scheme: what the table calls it.
        forecast: what the table calls the model.
        groups: the namelist.
        seeds: of its runs.
        lines: whether the picture shows its forecasts.
    """

    twin: str
    scheme: str
    forecast: str
    groups: nml.Groups
    seeds: tuple[int, ...]
    lines: bool = False


def read_rows(path: Path, **changes: Any) -> list[Row]:
    """The rows of a file such as scores.toml; `changes` are of its first entries."""
    tables = tomllib.loads(path.read_text(encoding="utf-8")) | changes
    return [_row(table, tables) for table in tables["row"]]


def _row(table: dict[str, Any], tables: dict[str, Any]) -> Row:
    length = {
        "cycles": table.get("cycles", tables["cycles"]),
        "burn_in": tables["burn_in"],
    }
    groups: nml.Groups = nml.merge(tables["base"], tables["twins"][table["twin"]])
    groups = nml.merge(groups, {"cycle": length})
    groups = nml.merge(groups, {key: value for key, value in table.items() if key not in WORDS})
    network = groups.get("networks", {}).get("correction")
    if network:
        groups = nml.merge(groups, {"networks": {"correction": str(REPOSITORY / network)}})
    return Row(
        twin=table["twin"],
        scheme=table["scheme"],
        forecast=table["forecast"],
        groups=groups,
        seeds=tuple(table.get("seeds", tables["seeds"])),
        lines=table.get("lines", False),
    )


def run(row: Row, seed: int, runs: Path) -> Path:
    """The run file of a row and a seed; one that is there with these settings is kept."""
    name = "_".join((row.twin, row.scheme, row.forecast, str(seed)))
    path = runs / f"{''.join(c if c.isalnum() else '_' for c in name)}.nc"
    settings = nml.text(nml.merge(row.groups, {"cycle": {"seed": seed}}))
    said = path.with_suffix(".nml")
    if not (path.exists() and said.exists() and said.read_text(encoding="utf-8") == settings):
        runs.mkdir(parents=True, exist_ok=True)
        said.unlink(missing_ok=True)
        groups = nml.merge(row.groups, {"cycle": {"seed": seed}})
        dacycle.run(groups, output=path, fresh=True).close()
        said.write_text(settings, encoding="utf-8")
    return path


def line(row: Row, paths: Sequence[Path], first: int) -> str:
    """A row of the table."""
    means = {name: _means(paths, name, first) for name in ("analysis_rmse", "background_rmse")}
    analysis = means["analysis_rmse"]
    spread = _means(paths, "analysis_spread", first).mean()
    error = analysis.std(ddof=1) / len(analysis) ** 0.5 if len(analysis) > 1 else np.nan
    cells = [
        row.twin,
        row.scheme,
        row.forecast,
        f"{analysis.mean():.4f} ± {error:.4f}",
        " ".join(f"{one:.4f}" for one in analysis),
        f"{means['background_rmse'].mean():.4f}",
        f"{spread:.4f}" if spread > 0 else "-",
    ]
    return f"| {' | '.join(cells)} |\n"


def _means(paths: Sequence[Path], name: str, first: int) -> NDArray[np.float64]:
    means = []
    for path in paths:
        with open_run(path) as found:
            means.append(float(found[name].values[first:].mean()))
    return np.array(means)


def picture(rows: dict[str, list[tuple[Row, Sequence[Path]]]]) -> Figure:
    """Errors of forecasts from the analyses, by lead: a panel a truth."""
    drawn = Figure(figsize=(9, 3.8), layout="constrained")
    panels = drawn.subplots(1, len(rows), squeeze=False)[0]
    for axes, (twin, found) in zip(panels, rows.items(), strict=True):
        for row, paths in found:
            _curve(axes, row, paths)
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


def _curve(axes: Axes, row: Row, paths: Sequence[Path]) -> None:
    leads, errors = [], []
    for path in paths:
        with open_run(path) as found:
            skill = lead_times(found)
        leads = [float(lead) for lead in skill.lead]
        errors.append(skill.rmse)
    mean = np.mean(errors, axis=0)
    error = np.std(errors, axis=0, ddof=1) / len(errors) ** 0.5 if len(errors) > 1 else 0 * mean
    colour = COLOURS[row.forecast.partition(",")[0]]
    axes.errorbar(
        leads, mean, yerr=ERRORS * error, color=colour, marker="o", markersize=4, label=row.forecast
    )


def put(page: str, lines: Sequence[str]) -> str:
    """The page with a new table in place of the old one."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks the lines {BEGIN.strip()} and {END.strip()}")
    return "".join([before, BEGIN, "\n", HEAD, *lines, "\n", END, after])


def main() -> int:
    """Run what is missing, then write table and picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=cores(), help="runs at a time")
    parser.add_argument("--only", default="", metavar="TEXT", help="rows whose words hold TEXT")
    given = parser.parse_args()
    lines = []
    shown: dict[str, list[tuple[Row, Sequence[Path]]]] = {}
    for row in read_rows(HERE / "scores.toml"):
        if given.only not in f"{row.twin} {row.scheme} {row.forecast}":
            continue
        with ThreadPoolExecutor(given.jobs) as pool:
            paths = list(pool.map(lambda seed, row=row: run(row, seed, RUNS), row.seeds))
        lines.append(line(row, paths, row.groups["cycle"]["burn_in"]))
        sys.stdout.write(lines[-1])
        sys.stdout.flush()
        if row.lines:
            shown.setdefault(row.twin, []).append((row, paths))
    if given.only:
        return 0
    with styled():
        picture(shown).savefig(HERE / "figure.png", dpi=RESOLUTION)
    PAGE.write_text(put(PAGE.read_text(encoding="utf-8"), lines), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
