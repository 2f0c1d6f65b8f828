"""Small runs of the real program, each in a folder of its own, and input made up for them."""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest

from dacycle import namelist as nml

ERROR = "da_cycle: error: "
BAD_INPUT = 2
LOCK = b"lock of da_cycle\n"
"""What the lock of a run begins with."""

Run = Callable[..., Path]
ErrorOf = Callable[..., str]
Refused = Callable[..., str]
MakeTruth = Callable[..., Path]
MakeObservations = Callable[..., Path]


@pytest.fixture(scope="session")
def run(da_cycle: Callable[..., subprocess.CompletedProcess[str]]) -> Run:
    """`run(groups, folder, ranks=1, options=())`: the file that a run in `folder` writes.

    Namelist and output have the same names in each folder, so that whole files can be compared.
    """

    def run_in(
        groups: Mapping[str, Mapping[str, Any]],
        folder: Path,
        ranks: int = 1,
        options: Sequence[str] = (),
    ) -> Path:
        folder.mkdir(exist_ok=True)
        nml.write(groups, folder / "run.nml")
        done = da_cycle([*options, "run.nml"], ranks, cwd=folder)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return folder / "run.nc"

    return run_in


@pytest.fixture
def error_of(da_cycle: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> ErrorOf:
    """`error_of(arguments, ranks=1, status=2)`: the line that the program ends with in `tmp_path`.

    It must be one line, with nothing else said on one rank, and no file left, changed or removed
    but for the locks of runs that were killed.
    """

    def check(arguments: Sequence[str], ranks: int = 1, status: int = 2) -> str:
        before = contents(tmp_path)
        done = da_cycle(arguments, ranks, cwd=tmp_path)
        assert done.returncode == status, done.stdout + done.stderr
        for trace in ("acktrace", "Traceback", "SIGSEGV", "#0 ", "Fortran runtime"):
            assert trace not in done.stdout + done.stderr
        lines = [line for line in done.stderr.splitlines() if line.startswith(ERROR)]
        assert len(lines) == 1, done.stderr
        if ranks == 1:
            assert done.stderr == f"{lines[0]}\n"
        if status == BAD_INPUT:
            assert done.stdout == "" or ranks > 1
        stale = {path for path, content in before.items() if content.startswith(LOCK)}
        after = contents(tmp_path)
        assert {path: after[path] for path in after.keys() - stale} == {
            path: before[path] for path in before.keys() - stale
        }
        return lines[0].removeprefix(ERROR)

    return check


@pytest.fixture
def refused(error_of: ErrorOf, tmp_path: Path) -> Refused:
    """`refused(text, words, ranks=1, options=())`: the line that answers a namelist of this text.

    All the words must be in it.
    """

    def check(
        text: str | bytes, words: Sequence[str], ranks: int = 1, options: Sequence[str] = ()
    ) -> str:
        (tmp_path / "run.nml").write_bytes(text if isinstance(text, bytes) else text.encode())
        line = error_of([*options, "run.nml"], ranks)
        assert [word for word in words if word not in line] == [], line
        return line

    return check


@pytest.fixture
def make_truth(tmp_path: Path) -> MakeTruth:
    """`make_truth(name="truth.nc", records=11, n=8, form="NETCDF4", **variables)`: a truth file.

    `variables` replaces a variable's values, or leaves it out where it is None; `dimensions` are
    those of `state`.
    """

    def make(
        name: str = "truth.nc",
        *,
        records: int = 11,
        n: int = 8,
        form: str = "NETCDF4",
        dimensions: tuple[str, str] = ("time", "x"),
        unlimited: str = "",
        **variables: Any,
    ) -> Path:
        wave = 2.0 + np.cos(np.arange(records)[:, None] / 5 + np.arange(n))
        values = {"time": 0.05 * np.arange(records), "state": wave} | variables
        shapes = {"time": ("time",), "state": dimensions}
        write_netcdf(tmp_path / name, form, values, shapes, unlimited)
        return tmp_path / name

    return make


@pytest.fixture
def make_observations(tmp_path: Path) -> MakeObservations:
    """`make_observations(name="observations.nc", cycles=10, n=8, form=…, **variables)`.

    Every point is observed each cycle; `variables` as for `make_truth`.
    """

    def make(
        name: str = "observations.nc",
        *,
        cycles: int = 10,
        n: int = 8,
        form: str = "NETCDF4",
        **variables: Any,
    ) -> Path:
        position = np.tile(np.arange(float(n)), cycles)
        time = 0.05 * np.repeat(np.arange(1, cycles + 1), n)
        values = {
            "time": time,
            "position": position,
            "value": 2.0 + np.cos(time + position),
            "error_sd": np.ones(time.size),
            "kind": np.ones(time.size, np.int32),
        } | variables
        write_netcdf(tmp_path / name, form, values, dict.fromkeys(values, ("observation",)))
        return tmp_path / name

    return make


def write_netcdf(
    path: Path,
    form: str,
    values: Mapping[str, Any],
    dimensions: Mapping[str, tuple[str, ...]],
    unlimited: str = "",
) -> None:
    with netCDF4.Dataset(path, "w", format=form) as file:
        for name, array in values.items():
            if array is None:
                continue
            for dimension, size in zip(dimensions[name], np.shape(array), strict=True):
                if dimension not in file.dimensions:
                    file.createDimension(dimension, None if dimension == unlimited else size)
            fill = array.fill_value if isinstance(array, np.ma.MaskedArray) else None
            variable = file.createVariable(name, array.dtype, dimensions[name], fill_value=fill)
            variable[:] = array


def contents(folder: Path) -> dict[Path, bytes]:
    """All files below a folder with their bytes."""
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
