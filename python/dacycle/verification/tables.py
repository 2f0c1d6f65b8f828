"""Tables of verification in a run file: series of several columns, with their stated statistics.

Beside its scores, a run may hold what `&verification` asks for, as variables whose first dimension
is `time` or `forecast_time` and whose further ones are `rank`, `threshold`, `members_above`,
`region` or `lead`; a variational run also holds what it tells of its minimisations, by `time` or
`diagnosed_time` and by `outer_loop`, `iteration` or `eigenvalue`. Each states the time mean of
every column, its standard error, and its maximum.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dacycle.verification.scores import SCORES, burn_in
from dacycle.verification.time_mean import TimeMean, time_mean

__all__ = ["COUNTS", "Table", "read_tables", "table_disagreements", "title_of"]

COUNTS = ("background_ranks", "analysis_ranks", "event_forecasts", "event_occurrences")
"""Tables of counts, from which other statistics are made."""

ROW_DIMENSIONS = ("time", "forecast_time", "diagnosed_time")

AGREEMENT = 1e-9
"""Relative, as for scores."""

WORDS = {
    "rmse": "RMSE",
    "crps": "CRPS",
    "brier": "Brier",
    "sd": "SD",
    "dfs": "DFS",
    "hessian": "Hessian",
    "lanczos": "Lanczos",
}


@dataclass(frozen=True)
class Table:
    """A table of a run, averaged over the rows after burn-in.

    Attributes:
        name: the variable of the run file.
        mean: time means, in the shape of the variable's dimensions after the first.
        standard_error: of these means, autocorrelation allowed for; of the same shape.
        maximum: the largest absolute values after burn-in; of the same shape.
    """

    name: str
    mean: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    maximum: NDArray[np.float64]


def read_tables(run: xr.Dataset) -> list[Table]:
    """The tables that the run file `run` holds, with what they state."""
    return [_stated(variable) for variable in _variables(run)]


def title_of(name: str) -> str:
    """The name as one writes it: `background fair CRPS`."""
    return " ".join(WORDS.get(word, word) for word in name.split("_"))


def table_disagreements(run: xr.Dataset) -> list[str]:
    """What tables state and their rows do not give: one line each, none if all is well."""
    lines = []
    for variable in _variables(run):
        stated = _stated(variable)
        again = _means(run, variable)
        found = {
            "mean": np.array([one.mean for one in again]),
            "standard_error": np.array([one.standard_error for one in again]),
            "maximum": np.array([one.maximum for one in again]),
        }
        for kind, values in found.items():
            told = getattr(stated, kind).reshape(-1)
            close = np.isclose(told, values, rtol=AGREEMENT, atol=AGREEMENT, equal_nan=True)
            if not np.all(close):
                first = int(np.flatnonzero(~close)[0])
                lines.append(
                    f"{stated.name}: {kind} of column {first} is stated as {told[first]}, "
                    f"the rows give {values[first]}"
                )
    return lines


def _variables(run: xr.Dataset) -> Iterator[xr.DataArray]:
    for name, variable in run.data_vars.items():
        rows = variable.dims[:1]
        if name in SCORES or "time_mean" not in variable.attrs:
            continue
        if rows and rows[0] in ROW_DIMENSIONS:
            yield variable


def _stated(variable: xr.DataArray) -> Table:
    shape = variable.shape[1:]
    attributes = (
        np.asarray(variable.attrs[name], dtype=np.float64).reshape(shape)
        for name in ("time_mean", "standard_error", "maximum")
    )
    return Table(str(variable.name), *attributes)


def _means(run: xr.Dataset, variable: xr.DataArray) -> list[TimeMean]:
    """Of each column; a truth that ends before the last forecasts do leaves rows of NaN behind."""
    values = variable.values.reshape(variable.shape[0], -1)
    every = 1
    rows = str(variable.dims[0])
    if rows != "time":
        every = int(np.rint(run[rows].values[0] / run["time"].values[0]))
    settled = values[burn_in(run) // every :]
    if rows != "forecast_time":
        return [time_mean(column) for column in settled.T]
    return [time_mean(_known(column)) for column in settled.T]


def _known(column: NDArray[np.float64]) -> NDArray[np.float64]:
    there = np.flatnonzero(np.isfinite(column))
    return column[: there[-1] + 1] if there.size else column[:0]
