"""Run files made up for tests: laid out as `da_cycle` writes them, with known numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest

from dacycle.verification.scores import SCORES
from dacycle.verification.time_mean import time_mean

INTERVAL = 0.05
OBSERVATIONS_A_CYCLE = 20
MEMBERS = 9
FORECASTS_EVERY = 10
EFFECTIVE_NAMELIST = "&cycle\n  cycles = 300\n  burn_in = 50\n/\n&output\n  file = 'run.nc'\n/\n"


def write_run(
    path: Path,
    *,
    cycles: int = 300,
    n: int = 40,
    burn_in: int = 50,
    truth: bool = True,
    fields_every: int = 1,
    feedback: bool = True,
    verification: bool = False,
    minimisation: bool = False,
    attributes: dict[str, Any] | None = None,
) -> Path:
    """Write a run file; `attributes` overrides global ones."""
    random = np.random.default_rng(96)
    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_DATA") as file:
        file.setncatts(
            {
                "Conventions": "CF-1.10",
                "title": "sakov2008: made up for a test",
                "source": "dacycle 0.1.0",
                "command": "da_cycle run.nml",
                "namelist": EFFECTIVE_NAMELIST,
            }
            | (attributes or {})
        )
        time = INTERVAL * np.arange(1, cycles + 1)
        _add(file, "time", ("time",), time)
        _add(file, "x", ("x",), np.arange(float(n)))
        _add_scores(file, random, cycles, burn_in, truth)
        if fields_every:
            _add_fields(file, random, time[fields_every - 1 :: fields_every], n, truth)
        if feedback:
            _add_feedback(file, random, time)
        if verification:
            _add_verification(file, random, time, n, burn_in)
        if minimisation:
            _add_minimisation(file, random, time, burn_in)
    return path


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """`make_run(name="run.nc", **options)`: a made-up run file, options as for `write_run`."""

    def make(name: str = "run.nc", **options: Any) -> Path:
        return write_run(tmp_path / name, **options)

    return make


def _add(
    file: netCDF4.Dataset,
    name: str,
    dimensions: tuple[str, ...],
    values: np.ndarray[Any, Any],
    **attributes: Any,
) -> None:
    for dimension, size in zip(dimensions, values.shape, strict=True):
        if dimension not in file.dimensions:
            file.createDimension(dimension, size)
    variable = file.createVariable(name, values.dtype, dimensions)
    variable.setncatts(attributes)
    variable[:] = values


def _add_scores(
    file: netCDF4.Dataset, random: np.random.Generator, cycles: int, burn_in: int, truth: bool
) -> None:
    for name in SCORES:
        values = np.abs(_persistent(random, cycles) + 4) / 20
        if name == "innovation_chi2":
            values *= 5
        elif name.startswith("observations"):
            values = np.full(cycles, 20.0 if name.endswith("used") else 0.0)
        elif not truth and not name.endswith("spread"):
            values = np.full(cycles, np.nan)
        mean = time_mean(values[burn_in:])
        _add(
            file,
            name,
            ("time",),
            values,
            long_name=name.replace("_", " "),
            units="1",
            time_mean=mean.mean,
            standard_error=mean.standard_error,
            maximum=mean.maximum,
            burn_in=np.int32(burn_in),
        )


def _persistent(random: np.random.Generator, cycles: int) -> np.ndarray[Any, Any]:
    """A first-order autoregressive series of unit variance."""
    keep = 0.8
    series = np.empty(cycles)
    value = random.normal()
    for cycle in range(cycles):
        value = keep * value + np.sqrt(1 - keep**2) * random.normal()
        series[cycle] = value
    return series


def _add_fields(
    file: netCDF4.Dataset,
    random: np.random.Generator,
    time: np.ndarray[Any, Any],
    n: int,
    truth: bool,
) -> None:
    shape = ("field_time", "x")
    wave = 2.3 + 3.6 * np.sin(2 * np.pi * (np.arange(n) / 8 - time[:, None]))
    _add(file, "field_time", ("field_time",), time)
    for state, sd in (("background", 0.25), ("analysis", 0.2)):
        _add(file, f"{state}_mean", shape, wave + sd * random.normal(size=wave.shape))
        _add(file, f"{state}_sd", shape, np.full(wave.shape, sd))
    if truth:
        _add(file, "truth", shape, wave)


def _add_feedback(
    file: netCDF4.Dataset, random: np.random.Generator, time: np.ndarray[Any, Any]
) -> None:
    rows = time.size * OBSERVATIONS_A_CYCLE
    shape = ("observation",)
    background = random.normal(2.3, 3.6, rows)
    _add(file, "obs_time", shape, np.repeat(time, OBSERVATIONS_A_CYCLE))
    _add(file, "obs_position", shape, np.tile(2.0 * np.arange(OBSERVATIONS_A_CYCLE), time.size))
    _add(file, "obs_kind", shape, np.ones(rows, np.int32))
    _add(file, "obs_row", shape, np.arange(rows, dtype=np.int32))
    _add(file, "obs_value", shape, background + np.hypot(1.0, 0.25) * random.normal(size=rows))
    _add(file, "obs_error_sd", shape, np.ones(rows))
    _add(file, "obs_background", shape, background)
    _add(file, "obs_background_sd", shape, np.full(rows, 0.25))
    _add(file, "obs_analysis", shape, background)
    _add(file, "obs_qc", shape, np.where(np.arange(rows) % 50 == 0, 7, 0).astype(np.int32))


def _add_verification(
    file: netCDF4.Dataset,
    random: np.random.Generator,
    time: np.ndarray[Any, Any],
    n: int,
    burn_in: int,
) -> None:
    """What `&verification` adds: perfect ranks and events, made-up series, growing errors."""
    classes = np.arange(MEMBERS + 1.0)
    lead = np.array([0.5, 1.0, 2.0, 4.0])
    thresholds = np.array([0.0, 4.0])
    _add(file, "rank", ("rank",), classes)
    _add(file, "members_above", ("members_above",), classes)
    _add(file, "threshold", ("threshold",), thresholds)
    _add(file, "region_first", ("region",), np.array([0.0, n - 5.0]))
    _add(file, "region_last", ("region",), np.array([9.0, 4.0]))
    starts = time[FORECASTS_EVERY - 1 :: FORECASTS_EVERY]
    _add(file, "forecast_time", ("forecast_time",), starts)
    _add(file, "lead", ("lead",), lead)
    foretold = random.multinomial(n, np.full(classes.size, 1 / classes.size), (time.size, 2))
    come = random.binomial(foretold, classes / MEMBERS)
    growing = 3.6 * np.array([0.1, 0.2, 0.7, 1.0])
    tables: dict[str, tuple[tuple[str, ...], np.ndarray[Any, Any]]] = {
        "event_forecasts": (("time", "threshold", "members_above"), foretold),
        "event_occurrences": (("time", "threshold", "members_above"), come),
        "brier_score": (("time", "threshold"), random.uniform(0.1, 0.2, (time.size, 2))),
        "forecast_rmse": (("forecast_time", "lead"), _around(random, growing, starts.size)),
        "forecast_spread": (("forecast_time", "lead"), _around(random, growing, starts.size)),
        "forecast_correlation": (
            ("forecast_time", "lead"),
            _around(random, 1 - growing / 3.6, starts.size),
        ),
        "forecast_truth_sd": (
            ("forecast_time", "lead"),
            _around(random, np.full(lead.size, 3.6), starts.size),
        ),
    }
    for state in ("background", "analysis"):
        ranks = random.multinomial(n, np.full(classes.size, 1 / classes.size), time.size)
        tables[f"{state}_ranks"] = (("time", "rank"), ranks)
        tables[f"{state}_crps"] = (("time",), random.uniform(0.1, 0.2, time.size))
        tables[f"{state}_region_rmse"] = (
            ("time", "region"),
            random.uniform(0.1, 0.2, (time.size, 2)),
        )
    _add_tables(file, tables, burn_in)


def _add_minimisation(
    file: netCDF4.Dataset, random: np.random.Generator, time: np.ndarray[Any, Any], burn_in: int
) -> None:
    """Two outer loops that converge geometrically, and a Hessian with five eigenvalues."""
    loops, most = 2, 8
    diagnosed = time[FORECASTS_EVERY - 1 :: FORECASTS_EVERY]
    _add(file, "diagnosed_time", ("diagnosed_time",), diagnosed)
    _add(file, "outer_loop", ("outer_loop",), np.arange(1.0, loops + 1))
    _add(file, "iteration", ("iteration",), np.arange(most + 1.0))
    _add(file, "eigenvalue", ("eigenvalue",), np.arange(1.0, 6))
    fall = 0.4 ** np.arange(most + 1) * np.array([[6.0], [1.0]])
    curves = (diagnosed.size, *fall.shape)
    background = (2 - fall / 6) * random.uniform(0.9, 1.1, curves)
    observations = (18 + fall) * random.uniform(0.9, 1.1, curves)
    values = np.array([20.0, 8.0, 3.0, 1.8, 1.2])
    by_iteration = ("diagnosed_time", "outer_loop", "iteration")
    by_eigenvalue = ("diagnosed_time", "eigenvalue")
    tables = {
        "cost_ratio": (("time",), random.uniform(0.8, 1.2, time.size)),
        "inner_iterations": (
            ("time", "outer_loop"),
            random.integers(3, most, (time.size, loops)),
        ),
        "iterate_cost": (by_iteration, background + observations),
        "iterate_background_cost": (by_iteration, background),
        "iterate_observation_cost": (by_iteration, observations),
        "iterate_gradient": (by_iteration, fall * random.uniform(0.5, 2.0, curves)),
        "hessian_eigenvalues": (by_eigenvalue, _around(random, values, diagnosed.size)),
        "hessian_residuals": (
            by_eigenvalue,
            _around(random, np.array([1e-8, 1e-5, 1e-3, 0.03, 0.1]), diagnosed.size),
        ),
    }
    _add_tables(file, tables, burn_in)


def _add_tables(
    file: netCDF4.Dataset,
    tables: dict[str, tuple[tuple[str, ...], np.ndarray[Any, Any]]],
    burn_in: int,
) -> None:
    """Tables with what they state of themselves."""
    for name, (dimensions, values) in tables.items():
        first = burn_in // (1 if dimensions[0] == "time" else FORECASTS_EVERY)
        columns = values.reshape(values.shape[0], -1)[first:].astype(float).T
        means = [time_mean(column) for column in columns]
        _add(
            file,
            name,
            dimensions,
            values.astype(float),
            time_mean=np.array([one.mean for one in means]),
            standard_error=np.array([one.standard_error for one in means]),
            maximum=np.array([one.maximum for one in means]),
            burn_in=np.int32(burn_in),
        )


def _around(
    random: np.random.Generator, centre: np.ndarray[Any, Any], rows: int
) -> np.ndarray[Any, Any]:
    return np.asarray(centre * random.uniform(0.95, 1.05, (rows, centre.size)))
