"""`&background covariance = 'file'`: what is in the file is B, and its faults are told apart."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest

N = 8
LAGS = np.arange(N // 2 + 1)
SD, LENGTH = 0.6, 1.5
SOAR = np.array([[SD**2 * ((1 + r) * math.exp(-r)) for r in LAGS / LENGTH]])
GROUPS: dict[str, dict[str, Any]] = {
    "cycle": {"cycles": 20, "burn_in": 5, "analysis": "var4d"},
    "variational": {"window": 2},
    "lorenz96": {"n": N},
    "ensemble": {"members": 1},
}
TEXT = (
    "&cycle cycles = 20, burn_in = 5, analysis = 'var4d' /\n&lorenz96 n = 8 /\n"
    "&ensemble members = 1 /\n"
)
FILE = TEXT + "&background covariance = 'file', file = '@/b.nc' /\n"


def write(
    path: Path,
    values: Any = SOAR,
    *,
    name: str = "covariance",
    dimensions: tuple[str, ...] = ("component", "lag"),
    form: str = "NETCDF3_64BIT_DATA",
    **attributes: Any,
) -> None:
    array = np.ma.asarray(values)
    with netCDF4.Dataset(path, "w", format=form) as file:
        for key, value in ({"model": "lorenz96", "points": np.int32(N)} | attributes).items():
            if value is not None:
                file.setncattr(key, value)
        for dimension, size in zip(dimensions, array.shape, strict=True):
            file.createDimension(dimension, size)
        file.createVariable(name, array.dtype, dimensions)[:] = array


@pytest.mark.parametrize("form", ["NETCDF3_64BIT_DATA", "NETCDF4"])
def test_a_file_of_a_correlation_function_is_that_function(
    form: str, run: Callable[..., Path], tmp_path: Path
) -> None:
    write(tmp_path / "b.nc", form=form)
    homogeneous = {"covariance": "homogeneous", "sd": SD, "length": LENGTH}
    file = {"covariance": "file", "file": str(tmp_path / "b.nc")}
    paths = [
        run(GROUPS | {"background": background}, tmp_path / folder, ranks)
        for folder, background, ranks in (("a", homogeneous, 1), ("b", file, 1), ("c", file, 3))
    ]
    scores = []
    for path in paths:
        with netCDF4.Dataset(path) as file_of_run:
            scores.append(file_of_run["analysis_mean"][:].tobytes())
    assert scores[0] == scores[1]
    assert paths[1].read_bytes() == paths[2].read_bytes()


def test_factor_multiplies_and_is_one_by_default(
    run: Callable[..., Path], da_cycle: Callable[..., Any], tmp_path: Path
) -> None:
    write(tmp_path / "b.nc", SOAR / 4)
    quarter = {"covariance": "file", "file": str(tmp_path / "b.nc"), "factor": 4.0}
    write(tmp_path / "whole.nc")
    whole = {"covariance": "file", "file": str(tmp_path / "whole.nc")}
    fields = []
    for folder, background in (("a", quarter), ("b", whole)):
        path = run(GROUPS | {"background": background}, tmp_path / folder)
        with netCDF4.Dataset(path) as file:
            fields.append(file["analysis_mean"][:].tobytes())
            effective = file.namelist
    assert fields[0] == fields[1]
    assert "factor = 1.0" in effective


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "another model": ({"model": "lorenz96_cubic"}, "'lorenz96_cubic' 'lorenz96'"),
    "another circle": ({"points": np.int32(40)}, "40 points 8"),
    "no model": ({"model": None}, "no attribute model dacycle background"),
    "no points": ({"points": None}, "no attribute points"),
    "no variable": ({"name": "b"}, "no variable covariance(component, lag)"),
    "three dimensions": (
        {"values": SOAR[None], "dimensions": ("one", "component", "lag")},
        "3 dimensions 2 are needed",
    ),
    "two components": ({"values": np.vstack([SOAR, SOAR])}, "2 components model 1"),
    "too many lags": ({"values": np.ones((1, 6))}, "6 lags 1 to 5"),
    "NaN": ({"values": SOAR * np.where(LAGS == 2, np.nan, 1)}, "missing or not finite"),
    "no variance": ({"values": 0 * SOAR}, "lag 0 variance above 0"),
    "no covariance": ({"values": SOAR[:, ::-1]}, "larger than the variance"),
    "text": ({"values": np.full((1, 5), b"a")}, "cannot be read text"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults(name: str, refused: Callable[..., str], tmp_path: Path) -> None:
    changes, words = FAULTS[name]
    write(tmp_path / "b.nc", **changes)
    line = refused(FILE, words.split())
    assert line.startswith("run.nml: &background file: ./b.nc: ")
    assert refused(FILE, words.split(), ranks=2) == line


@pytest.mark.parametrize("form", ["NETCDF3_64BIT_DATA", "NETCDF4"])
def test_a_file_cut_short(form: str, refused: Callable[..., str], tmp_path: Path) -> None:
    write(tmp_path / "b.nc", form=form)
    whole = (tmp_path / "b.nc").read_bytes()
    (tmp_path / "b.nc").write_bytes(whole[:-16])
    line = refused(FILE, ["b.nc"])
    assert "cut short" in line or "whole" in line


def test_a_missing_file(refused: Callable[..., str]) -> None:
    refused(FILE, ["&background file", "b.nc", "is it there"])


def test_what_is_not_used_is_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    write(tmp_path / "b.nc")
    for keys, words in (
        ("covariance = 'file'", ["file", "is needed"]),
        ("file = 'b.nc'", ["file", "'climatology'"]),
        ("covariance = 'file', file = 'b.nc', sd = 0.3", ["sd", "'file'"]),
        ("covariance = 'file', file = 'b.nc', length = 3.0", ["length", "'file'"]),
        ("covariance = 'diagonal', factor = 1.0", ["factor", "'diagonal'"]),
    ):
        refused(f"{TEXT}&background {keys} /\n", ["&background", *words])


def test_the_run_does_not_write_over_it(refused: Callable[..., str], tmp_path: Path) -> None:
    write(tmp_path / "b.nc")
    refused(f"{FILE}&output file = 'b.nc' /\n", ["&output", "is read by this run"])
