"""What input files say of themselves (CF) is applied, or refused by name.

A file is read right when the feedback holds what the netCDF4 package decodes from it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest

CYCLES, N = 6, 8
ROWS = CYCLES * N
NAMELIST = """&cycle cycles = 6, burn_in = 2 {clock} /
&lorenz96 n = 8 /
&ensemble members = 5 /
&truth source = 'file', file = 'truth.nc' /
&observations source = 'file', file = '{observations}' /
&output file = '{output}' /
"""
ROUNDING = 1e-12

Columns = dict[str, "Stored"]
Refused = Callable[..., str]


@dataclass
class Stored:
    """A variable as it stands in a file: stored numbers and attributes."""

    values: Any
    attributes: Mapping[str, Any] = field(default_factory=dict)
    dimensions: tuple[str, ...] = ("observation",)
    fill: Any = False


def columns(**changes: Any) -> Columns:
    """Observations of every point each cycle, some of them changed."""
    time = 0.05 * np.repeat(np.arange(1, CYCLES + 1), N)
    position = np.tile(np.arange(float(N)), CYCLES)
    plain = {
        "time": time,
        "position": position,
        "value": 2.0 + np.cos(time + position),
        "error_sd": np.ones(ROWS),
        "kind": np.ones(ROWS, np.int32),
    }
    return {name: Stored(values) for name, values in plain.items()} | changes


def truth(**changes: Any) -> Columns:
    records = np.arange(CYCLES + 1)
    state = 2.0 + np.cos(records[:, None] / 5 + np.arange(N))
    return {
        "time": Stored(0.05 * records, dimensions=("time",)),
        "state": Stored(state, dimensions=("time", "x")),
    } | changes


def write(path: Path, variables: Columns, form: str = "NETCDF4") -> None:
    with netCDF4.Dataset(path, "w", format=form) as file:
        for name, stored in variables.items():
            for dimension, size in zip(stored.dimensions, np.shape(stored.values), strict=True):
                if dimension not in file.dimensions:
                    file.createDimension(dimension, size)
            variable = file.createVariable(
                name, np.asarray(stored.values).dtype, stored.dimensions, fill_value=stored.fill
            )
            variable.set_auto_maskandscale(False)
            variable.setncatts(dict(stored.attributes))
            variable[:] = stored.values


def decoded(path: Path, name: str) -> Any:
    """Values as the netCDF4 package decodes them, NaN where they are missing."""
    with netCDF4.Dataset(path) as file:
        return np.ma.filled(file[name][:].astype(float), np.nan)


@dataclass
class Tried:
    """The feedback and the truth of a run, in the order of the input's rows."""

    value: Any
    error_sd: Any
    kind: Any
    qc: Any
    truth: Any
    rmse: Any


@pytest.fixture
def tried(da_cycle: Callable[..., Any], tmp_path: Path) -> Callable[..., Tried]:
    """`tried(observations, truth, clock)`: a run of files with these variables."""

    def run(
        observations: Columns | str,
        states: Columns | None = None,
        clock: str = "",
        form: str = "NETCDF4",
        output: str = "run.nc",
    ) -> Tried:
        write(tmp_path / "truth.nc", truth() if states is None else states, form)
        name = observations if isinstance(observations, str) else "observations.nc"
        if not isinstance(observations, str):
            write(tmp_path / name, observations, form)
        text = NAMELIST.format(clock=clock, observations=name, output=output)
        (tmp_path / "run.nml").write_text(text)
        done = da_cycle(["--fresh", "run.nml"], cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        with netCDF4.Dataset(tmp_path / output) as file:
            file.set_auto_maskandscale(False)
            order = np.argsort(file["obs_row"][:])
            feedback = [file[f"obs_{c}"][:][order] for c in ("value", "error_sd", "kind", "qc")]
            return Tried(*feedback, file["truth"][:], file["analysis_rmse"][:])

    return run


def unsigned_bytes(random: np.random.Generator) -> Stored:
    return Stored(
        random.integers(-128, 128, ROWS).astype("i1"),
        {"_Unsigned": "true", "scale_factor": 0.02, "add_offset": np.float32(-1)},
        fill=np.int8(-1),
    )


def packed(random: np.random.Generator) -> Stored:
    values = random.integers(-2000, 2000, ROWS).astype("i2")
    values[random.random(ROWS) < 0.2] = -32767
    return Stored(values, {"scale_factor": 0.001, "add_offset": 2.5})


def marked(random: np.random.Generator) -> Stored:
    values = random.normal(2, 1, ROWS).astype(random.choice(["f4", "f8"]))
    values[random.random(ROWS) < 0.2] = -999.9
    values[random.random(ROWS) < 0.1] = 1e20
    return Stored(values, {"missing_value": np.array([-999.9, 1e20], values.dtype)})


def ranged(random: np.random.Generator) -> Stored:
    values = random.normal(2, 2, ROWS)
    some = [{"valid_range": [-0.5, 4.0]}, {"valid_min": 0.0, "valid_max": 3.0}, {"valid_max": 2.0}]
    return Stored(values, some[random.integers(len(some))])


def packed_range(random: np.random.Generator) -> Stored:
    values = random.integers(0, 400, ROWS).astype("i4")
    limits = np.array([20, 380], "i4")
    return Stored(values, {"valid_range": limits, "scale_factor": 0.01}, fill=np.int32(77))


def never_written(random: np.random.Generator) -> Stored:
    code = random.choice(["i2", "i4", "u2", "u4", "i8", "u8", "f4", "f8"])
    values = random.integers(1, 4, ROWS).astype(code)
    values[random.random(ROWS) < 0.2] = netCDF4.default_fillvals[code]
    return Stored(values)


FORMS = [unsigned_bytes, packed, marked, ranged, packed_range, never_written]


@pytest.mark.parametrize("seed", range(12))
def test_mixtures_mean_what_netcdf4_says(
    seed: int, tried: Callable[..., Tried], tmp_path: Path
) -> None:
    """Types, packing, missing values and orders at random, in values, errors and the truth."""
    random = np.random.default_rng([12, seed])
    value = FORMS[seed % len(FORMS)](random)
    sd = Stored(random.integers(5, 20, ROWS).astype("i2"), {"scale_factor": 0.1, "long_name": "σ"})
    kind = Stored(random.integers(1, 4, ROWS).astype(random.choice(["i1", "f4", "i8"])))
    state = random.integers(-900, 900, (CYCLES + 1, N)).astype(random.choice(["i2", "f4"]))
    attributes = {"scale_factor": 0.01, "add_offset": 1.0, "standard_name": "state"}
    states = truth(state=Stored(state, attributes, ("time", "x")))
    if random.random() < 0.5:
        states["state"] = Stored(state.T, attributes, ("x", "time"))
    form = "NETCDF4" if seed % 2 or value.values.dtype.str[1:] in ("u2", "u4", "i8", "u8") else ""
    form = form or ("NETCDF4" if kind.values.dtype == "i8" else "NETCDF3_CLASSIC")
    found = tried(columns(value=value, error_sd=sd, kind=kind), states, form=form)
    expected = decoded(tmp_path / "observations.nc", "value")
    np.testing.assert_allclose(found.value, expected, rtol=ROUNDING, atol=ROUNDING)
    np.testing.assert_array_equal(found.qc == 6, np.isnan(expected))
    sds = decoded(tmp_path / "observations.nc", "error_sd")
    np.testing.assert_allclose(found.error_sd, sds, rtol=ROUNDING)
    np.testing.assert_array_equal(found.kind, decoded(tmp_path / "observations.nc", "kind"))
    with netCDF4.Dataset(tmp_path / "truth.nc") as file:
        exact = np.ma.filled(file["state"][:], np.nan)
        exact = exact if file["state"].dimensions == ("time", "x") else exact.T
    np.testing.assert_allclose(found.truth, exact[1:], rtol=1e-6)


def test_a_missing_value_needs_no_valid_error(tried: Callable[..., Tried]) -> None:
    values = columns()["value"].values.copy()
    values[::5] = np.nan
    sd = np.where(np.isnan(values), np.nan, 1.0)
    sd[5] = -1
    kind = np.where(np.isnan(values), -99, 1).astype("i4")
    plain = tried(columns(value=Stored(values)))
    bare = columns(value=Stored(values), error_sd=Stored(sd), kind=Stored(kind, fill=np.int32(-99)))
    np.testing.assert_array_equal(tried(bare).rmse, plain.rmse)
    nothing = tried(columns(value=Stored(np.full(ROWS, np.nan))))
    assert (nothing.qc == 6).all()
    assert np.isnan(nothing.value).all()


def test_feedback_is_a_file_of_observations(tried: Callable[..., Tried], tmp_path: Path) -> None:
    """What an earlier run rejected is a new run's to judge; what was missing stays so."""
    values = columns()["value"].values.copy()
    values[::7] = -1e20
    first = tried(columns(value=Stored(values, fill=-1e20)), output="first.nc")
    assert np.isnan(first.value[::7]).all()
    again = tried("first.nc", output="again.nc")
    np.testing.assert_array_equal(again.value, first.value)
    np.testing.assert_array_equal(again.rmse, first.rmse)
    with netCDF4.Dataset(tmp_path / "first.nc", "a") as file:
        file["obs_value"][:] = np.nan_to_num(file["obs_value"][:], nan=5.0)
        qc = file["obs_qc"][:]
        file["obs_qc"][:] = np.where(qc == 0, 7, qc)
    np.testing.assert_array_equal(tried("first.nc", output="again.nc").rmse, first.rmse)


SINCE = "hours since 2020-01-01"
UNIT = ", time_unit_length = '5 days'"
ORIGIN = UNIT + ", time_origin = '2020-01-01'"


@pytest.mark.parametrize(
    ("units", "calendar", "offset", "clock"),
    [
        ("hours", None, 0.0, UNIT),
        ("minutes", None, 0.0, ", time_unit_length = '432000 s'"),
        (SINCE, None, 0.0, ORIGIN),
        ("days since 2020-03-01 06:00:00 +06:00", "noleap", -59 * 24, ORIGIN),
        ("days since 2020-03-01T00:00Z", "360_day", -60 * 24, ORIGIN),
        ("seconds since 2020-03-01", "standard", -60 * 24, ORIGIN),
    ],
)
def test_dates_become_model_time(
    units: str, calendar: str | None, offset: float, clock: str, tried: Callable[..., Tried]
) -> None:
    length = {"hours": 1, "minutes": 60, "seconds": 3600, "days": 1 / 24}[units.split()[0]]
    hours = 120 * columns()["time"].values + offset
    attributes = {"units": units} | ({"calendar": calendar} if calendar else {})
    found = tried(columns(time=Stored(hours * length, attributes)), clock=clock)
    np.testing.assert_array_equal(found.rmse, tried(columns()).rmse)


def extra(name: str, value: Any, column: str = "value") -> Columns:
    return columns(**{column: Stored(columns()[column].values, {name: value})})


BROKEN: dict[str, tuple[Columns, str, str]] = {
    "hours": (extra("units", "hours", "time"), "", "time has units 'hours' time_unit_length"),
    "since": (extra("units", SINCE, "time"), "", f"'{SINCE}' time_unit_length time_origin"),
    "no origin": (extra("units", SINCE, "time"), UNIT, f"'{SINCE}' set time_origin"),
    "months": (extra("units", "months since 2020-01-01", "time"), ORIGIN, "months cannot"),
    "calendar": (extra("calendar", "noleap", "time"), "", "time calendar = 'noleap' no units"),
    "unit of values": (extra("units", "K"), "", "value has units = 'K' non-dimensional"),
    "near miss": (extra("FillValue", -999.0), "", "value FillValue not known _FillValue"),
    "compressed": (extra("compress", "x y"), "", "value compress not applied"),
    "downwards": (extra("positive", "down", "position"), "", "position positive = 'down'"),
    "mean": (extra("cell_methods", "time: mean"), "", "value cell_methods = 'time: mean'"),
    "flags": (extra("flag_meanings", "cold warm"), "", "value flag_meanings numbers needed"),
    "factor 0": (extra("scale_factor", 0.0), "", "value scale_factor finite not 0"),
    "text": (extra("scale_factor", "two"), "", "value scale_factor no number"),
    "three limits": (extra("valid_range", [0.0, 1.0, 2.0]), "", "value valid_range 3 values"),
    "no limits": (extra("valid_range", [3.0, 2.0]), "", "value valid_range leave no valid value"),
    "another variable": (columns(qc=Stored(np.zeros(ROWS))), "", "variable qc not read missing"),
    "other dimension": (
        columns(value=Stored(np.ones(ROWS), dimensions=("row",))),
        "",
        "value is on the dimension row, time on observation",
    ),
    "other kinds": (
        columns(
            kind=Stored(
                np.ones(ROWS, "i4"),
                {"flag_values": np.array([1, 2], "i4"), "flag_meanings": "wind rain"},
            )
        ),
        "",
        "kind flag_meanings = 'wind rain' 1, value; 2, abs",
    ),
    "range of another type": (
        columns(
            value=Stored(np.ones(ROWS, "i2"), {"scale_factor": 0.1, "valid_range": [0.0, 9.0]})
        ),
        "",
        "value valid_range not of the type packed",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_not_known_is_refused_by_name(name: str, refused: Refused, tmp_path: Path) -> None:
    variables, clock, words = BROKEN[name]
    write(tmp_path / "truth.nc", truth())
    write(tmp_path / "observations.nc", variables)
    text = NAMELIST.format(clock=clock, observations="observations.nc", output="run.nc")
    line = refused(text, words.split(), options=["--check"])
    assert line.startswith("run.nml: &observations file: observations.nc: ")


def test_points_in_another_order_are_refused(refused: Refused, tmp_path: Path) -> None:
    x = Stored(np.arange(N)[::-1], dimensions=("x",))
    write(tmp_path / "truth.nc", truth(x=x))
    write(tmp_path / "observations.nc", columns())
    text = NAMELIST.format(clock="", observations="observations.nc", output="run.nc")
    refused(text, ["truth.nc: x does not ascend"], options=["--check"])


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("time_unit_length = 'five days'", "&cycle time_unit_length 'five days' '5 days'"),
        ("time_origin = '2020-02-30'", "&cycle time_origin '2020-02-30' a date is needed"),
    ],
)
def test_the_clock_must_be_one(key: str, words: str, refused: Refused) -> None:
    refused(f"&cycle {key} /\n", words.split())


def test_variables_in_groups_and_strings(refused: Refused, tmp_path: Path) -> None:
    """Attributes that are strings, as HDF5's libraries write them, are read as text."""
    write(tmp_path / "truth.nc", truth())
    with netCDF4.Dataset(tmp_path / "truth.nc", "a") as file:
        file["time"].setncattr_string("units", "1")
        file["state"].setncattr_string("units", "fathoms")
    text = NAMELIST.format(clock="", observations="observations.nc", output="run.nc")
    refused(text, ["state has units = 'fathoms'"])
    with netCDF4.Dataset(tmp_path / "truth.nc", "w") as file:
        file.createGroup("forecast").createDimension("x", N)
    refused(text, ["no variable state(time, x)", "groups"])
