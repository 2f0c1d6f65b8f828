"""Everything that a run file lets one say of its ensembles and its error statistics, as lines."""

from collections.abc import Callable, Iterator

import numpy as np
import xarray as xr

from dacycle.errors import RunFileError
from dacycle.verification.desroziers import desroziers, kinds
from dacycle.verification.estimate import Estimate
from dacycle.verification.lead_times import lead_times
from dacycle.verification.ranks import rank_histogram
from dacycle.verification.reliability import reliability
from dacycle.verification.tables import COUNTS, Table, read_tables, title_of

__all__ = ["Section", "summary"]

Section = dict[str, Estimate]
"""Statistics by the name that heads their line."""


def summary(run: xr.Dataset) -> dict[str, Section]:
    """Statistics of a run by section: those that its file holds data for.

    Returns:
        `series`, `forecasts`, `ranks`, `reliability` and `desroziers`, the ones without a line left
        out. Numbers that no series stands behind have a standard error of NaN.
    """
    sections: dict[str, Callable[[xr.Dataset], Iterator[tuple[str, Estimate]]]] = {
        "series": _series,
        "ranks": _ranks,
        "reliability": _reliability,
        "forecasts": _forecasts,
        "desroziers": _desroziers,
    }
    lines = {name: dict(collect(run)) for name, collect in sections.items()}
    return {name: section for name, section in lines.items() if section}


def _series(run: xr.Dataset) -> Iterator[tuple[str, Estimate]]:
    """Tables of a column, or of one a region or an outer loop."""
    for table in read_tables(run):
        if table.name in COUNTS or "_rank_" in table.name or table.name == "brier_score":
            continue
        dimensions = run[table.name].dims[1:]
        if not dimensions:
            yield title_of(table.name), Estimate(float(table.mean), float(table.standard_error))
        elif dimensions == ("region",):
            yield from _by_region(run, table)
        elif dimensions == ("outer_loop",):
            for loop, mean, error in zip(
                run["outer_loop"].values, table.mean, table.standard_error, strict=True
            ):
                yield f"{title_of(table.name)} {loop:g}", Estimate(float(mean), float(error))


def _by_region(run: xr.Dataset, table: Table) -> Iterator[tuple[str, Estimate]]:
    ends = zip(run["region_first"].values, run["region_last"].values, strict=True)
    for index, (first, last) in enumerate(ends):
        name = f"{title_of(table.name)} {first:g}-{last:g}"
        yield name, Estimate(float(table.mean[index]), float(table.standard_error[index]))


def _ranks(run: xr.Dataset) -> Iterator[tuple[str, Estimate]]:
    for state in ("background", "analysis"):
        if f"{state}_ranks" not in run:
            continue
        found = rank_histogram(run, state)
        yield f"{state} rank bias", found.bias
        yield f"{state} rank dispersion", found.dispersion
        yield f"{state} departure from flat", found.departure


def _reliability(run: xr.Dataset) -> Iterator[tuple[str, Estimate]]:
    if "event_forecasts" not in run:
        return
    for event in reliability(run):
        name = f"x > {event.threshold:g}"
        yield f"{name}: Brier score", event.brier
        yield f"{name}:   reliability", event.reliability
        yield f"{name}:     of it chance", Estimate(event.chance, float("nan"))
        yield f"{name}:   resolution", event.resolution
        yield f"{name}:   uncertainty", event.uncertainty


def _forecasts(run: xr.Dataset) -> Iterator[tuple[str, Estimate]]:
    if "forecast_rmse" not in run:
        return
    found = lead_times(run)
    columns = {
        "RMSE": (found.rmse, found.rmse_error),
        "spread": (found.spread, found.spread_error),
        "correlation": (found.correlation, found.correlation_error),
    }
    for name, (values, errors) in columns.items():
        if values is None or errors is None:
            continue
        for lead, value, error in zip(found.lead, values, errors, strict=True):
            yield f"forecast {name} at {lead:g}", Estimate(float(value), float(error))
    yield "RMSE half the climatological SD at", found.skill_time


def _desroziers(run: xr.Dataset) -> Iterator[tuple[str, Estimate]]:
    """Of all observations, and of each kind where there are several."""
    every = kinds(run)
    for kind in [None, *every] if len(every) > 1 else [None]:
        try:
            found = desroziers(run, kind)
        except RunFileError:
            continue
        name = "" if kind is None else f", kind {kind}"
        yield f"observation error variance{name}", found.observation_variance
        yield f"  over the stated{name}", found.observation_ratio
        yield f"background variance at observations{name}", found.background_variance
        yield f"  over that of the members{name}", found.background_ratio
        yield f"analysis variance at observations{name}", found.analysis_variance
        yield f"innovation variance over expected{name}", found.innovation_ratio
        if np.isfinite(found.innovation.value):
            yield f"mean innovation{name}", found.innovation
