"""The output file by the CF conventions: dates that other tools see, codes with names, the format.

CDO, SciPy and a CF checker were tried by hand; what they rest on is held here.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray as xr

import dacycle

Groups = dict[str, dict[str, Any]]
Run = Callable[..., Path]

CYCLES, EVERY = 40, 4
GROUPS: Groups = {
    "cycle": {"cycles": CYCLES, "burn_in": 10},
    "lorenz96": {"n": 8},
    "ensemble": {"members": 5},
    "output": {"fields_every": EVERY, "members_every": 20},
}


@pytest.fixture(scope="module")
def path(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(GROUPS, tmp_path_factory.mktemp("conventions"))


def test_times_are_dates_beside_model_time(path: Path) -> None:
    """One unit of model time is 5 days (Lorenz 1996)."""
    six_hours = np.timedelta64(6, "h")
    start = np.datetime64("2000-01-01")
    with xr.open_dataset(path, engine="netcdf4") as decoded:
        dates = start + six_hours * np.arange(1, CYCLES + 1)
        np.testing.assert_array_equal(decoded["time"], dates)
        np.testing.assert_array_equal(decoded["field_time"], dates[EVERY - 1 :: EVERY])
        np.testing.assert_array_equal(decoded["member_time"], dates[19::20])
        for prefix in ("", "field_", "member_"):
            time, model_time = decoded[f"{prefix}time"], decoded[f"{prefix}model_time"]
            assert (time.attrs["standard_name"], time.attrs["axis"]) == ("time", "T")
            units = (time.values - start) / six_hours
            np.testing.assert_allclose(model_time.values, 0.05 * units, rtol=1e-12)
        assert decoded.attrs["history"] == "da_cycle run.nml"
    with dacycle.open_run(path) as opened:
        np.testing.assert_allclose(opened["time"], 0.05 * np.arange(1, CYCLES + 1))
        assert "model_time" not in opened


def test_the_clock_of_the_run(run: Run, tmp_path: Path) -> None:
    """Whole minutes are whole, and dates count from the origin that is given."""
    clock = {"time_unit_length": "1 hour", "time_origin": "2021-06-01 12:00"}
    path = run({**GROUPS, "cycle": GROUPS["cycle"] | clock}, tmp_path / "clock")
    with xr.open_dataset(path, engine="netcdf4") as decoded:
        minutes = np.datetime64("2021-06-01T12:00") + np.arange(3, 3 * CYCLES + 1, 3)
        np.testing.assert_array_equal(decoded["time"], minutes)


def test_codes_have_names_and_rows_a_place(path: Path) -> None:
    with netCDF4.Dataset(path) as file:
        kind = file["obs_kind"]
        names = dict(zip(kind.flag_meanings.split(), kind.flag_values, strict=True))
        assert names == {"value": 1, "abs": 2, "square": 3, "power": 4, "log": 5, "average": 6}
        assert kind.flag_values.dtype == kind.dtype
        assert file["obs_qc"].standard_name == "quality_flag"
        for name in ("value", "error_sd", "kind", "background", "analysis", "qc"):
            assert file[f"obs_{name}"].coordinates == "obs_time obs_position"


def test_the_format_is_the_classic_one(path: Path) -> None:
    """With 64-bit offsets: SciPy and others read that, and no CDF-5."""
    assert path.read_bytes()[:4] == b"CDF\x02"
    with netCDF4.Dataset(path) as file:
        assert file["obs_row"].dtype == np.int32
