"""Tables of the scores of runs, published scores beside them."""

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import xarray as xr
from rich.table import Table

from dacycle.errors import RunFileError
from dacycle.run_file import experiment
from dacycle.verification.estimate import Estimate
from dacycle.verification.impact import GroupImpact, by_kind, by_region, total_impact
from dacycle.verification.scores import burn_in, read_scores, with_error
from dacycle.verification.summary import summary

__all__ = ["Published", "impact_table", "read_published", "score_table", "verification_table"]

MISSING = "-"

WIDEST = 30
"""Columns of text to a run, so that several stand side by side."""


@dataclass(frozen=True)
class Published:
    """A score that others reached on an experiment.

    Attributes:
        rmse: time mean of the spatial RMSE of the analysis.
        method: how it was reached: the scheme and its settings.
        source: who did: a paper, or a program and its version.
    """

    rmse: float
    method: str
    source: str


def read_published(path: str | os.PathLike[str]) -> dict[str, Published]:
    """Published scores by experiment, from a TOML file with a table `[experiment]` for each.

    Raises:
        RunFileError: the file cannot be read, or a table lacks `rmse`, `method` or `source`.
    """
    try:
        tables = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise RunFileError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise RunFileError(f"{path}: {error}") from error
    published = {}
    for name, table in tables.items():
        try:
            published[name] = Published(
                float(table["rmse"]), str(table["method"]), str(table["source"])
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RunFileError(f"{path}: [{name}] needs rmse, method and source") from error
    return published


def score_table(
    runs: Mapping[str, xr.Dataset], published: Mapping[str, Published] | None = None
) -> Table:
    """Runs side by side: one column a run, one row a score, time mean ± standard error.

    Args:
        runs: open run files by the name that heads their column.
        published: published scores by experiment, as `run_file.experiment` names it.
    """
    table = Table(caption="time mean ± standard error, autocorrelation allowed for")
    table.add_column("", no_wrap=True)
    for name in runs:
        table.add_column(name, justify="right", overflow="fold", max_width=WIDEST)
    columns = list(runs.values())
    _add(table, "title", [str(run.attrs.get("title", "")) or MISSING for run in columns])
    _add(table, "cycles", [f"{run.sizes['time']:,}" for run in columns])
    _add(table, "of which burn-in", [f"{burn_in(run):,}" for run in columns])
    table.add_section()
    _add_scores(table, columns)
    if published:
        _add_published(table, columns, published)
    return table


def verification_table(runs: Mapping[str, xr.Dataset]) -> Table | None:
    """What is verified beside the scores, runs side by side; None where no run holds any.

    Args:
        runs: open run files by the name that heads their column.
    """
    found = [summary(run) for run in runs.values()]
    names = list(dict.fromkeys(name for sections in found for name in sections))
    if not names:
        return None
    table = Table(caption="value ± standard error, autocorrelation allowed for")
    table.add_column("", no_wrap=True)
    for name in runs:
        table.add_column(name, justify="right", overflow="fold", max_width=WIDEST)
    for name in names:
        table.add_section()
        columns = [sections.get(name, {}) for sections in found]
        for title in dict.fromkeys(title for column in columns for title in column):
            cells = [
                with_error(column[title].value, column[title].standard_error)
                if title in column
                else MISSING
                for column in columns
            ]
            _add(table, title, cells)
    return table


def impact_table(run: xr.Dataset, regions: int) -> Table:
    """What observations did to forecasts: in all, by kind and by arcs of the circle.

    Args:
        run: an open run file.
        regions: number of arcs of equal length.

    Raises:
        RunFileError: no observations were judged after burn-in.
    """
    total = total_impact(run)
    table = Table(caption="mean a judged cycle ± standard error; below 0: observations helped")
    for name in ("", "observations", "impact", "share", "beneficial"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    used = f"{total.cycles:,} cycles"
    table.add_row("actual change of the error", used, _shown(total.actual), "", "")
    table.add_row(
        "its estimate", used, _shown(total.estimated), "", f"{total.beneficial.value:.0%}"
    )
    table.add_row("  over the actual", "", _shown(total.ratio), "", "")
    table.add_row("  correlation", "", f"{total.correlation:.2f}", "", "")
    if "obs_impact" not in run:
        return table
    edges = [run.sizes["x"] * k / regions for k in range(regions + 1)]
    table.add_section()
    for kind, one in by_kind(run).items():
        _add_group(table, f"kind {kind}", one)
    table.add_section()
    for (first, end), one in by_region(run, edges).items():
        _add_group(table, f"{first:g} to {end:g}", one)
    return table


def _add_group(table: Table, name: str, one: GroupImpact) -> None:
    table.add_row(
        name,
        f"{one.observations:,}",
        _shown(one.impact),
        f"{one.share.value:.1%}",
        f"{one.beneficial:.0%}",
    )


def _shown(estimate: Estimate) -> str:
    return with_error(estimate.value, estimate.standard_error)


def _add_scores(table: Table, runs: Sequence[xr.Dataset]) -> None:
    stated = [{score.name: score for score in read_scores(run)} for run in runs]
    titles = {score.name: score.title for scores in stated for score in scores.values()}
    for name, title in titles.items():
        cells = [
            with_error(scores[name].mean, scores[name].standard_error)
            if name in scores
            else MISSING
            for scores in stated
        ]
        _add(table, title, cells)
        if name.endswith("_rmse"):
            largest = [
                with_error(scores[name].maximum, 0.0) if name in scores else MISSING
                for scores in stated
            ]
            _add(table, "  its maximum", largest)


def _add_published(
    table: Table, runs: Sequence[xr.Dataset], published: Mapping[str, Published]
) -> None:
    known = [published.get(experiment(run)) for run in runs]
    if not any(known):
        return
    table.add_section()
    _add(table, "published analysis RMSE", [f"{one.rmse:g}" if one else MISSING for one in known])
    _add(table, "  with", [one.method if one else MISSING for one in known])
    _add(table, "  by", [one.source if one else MISSING for one in known])


def _add(table: Table, title: str, cells: Sequence[str]) -> None:
    table.add_row(title, *cells)
