"""Run files: opened lazily, and refused when they are something else."""

from collections.abc import Callable
from pathlib import Path

import netCDF4
import pytest

import dacycle
from dacycle.run_file import effective_namelist, experiment

MakeRun = Callable[..., Path]


def test_a_run_file_opens_lazily(make_run: MakeRun) -> None:
    with dacycle.open_run(make_run()) as run:
        assert run.sizes["time"] == 300
        assert run["truth"].dims == ("field_time", "x")
        assert not run["truth"]._in_memory
        assert experiment(run) == "sakov2008"
        assert effective_namelist(run)["cycle"] == {"cycles": 300, "burn_in": 50}


def test_model_time_stays_a_number(make_run: MakeRun) -> None:
    with dacycle.open_run(make_run()) as run:
        assert float(run["time"][0]) == pytest.approx(0.05)


def test_what_is_no_run_file_is_refused(tmp_path: Path, make_run: MakeRun) -> None:
    missing = tmp_path / "missing.nc"
    with pytest.raises(dacycle.RunFileError, match=r"missing\.nc: no such file$"):
        dacycle.open_run(missing)
    Path(f"{missing}.part").touch()
    with pytest.raises(dacycle.RunFileError, match=r"unfinished: .*missing\.nc\.part is there"):
        dacycle.open_run(missing)
    (tmp_path / "text.nc").write_text("not netCDF")
    with pytest.raises(dacycle.RunFileError, match="cannot be read as netCDF"):
        dacycle.open_run(tmp_path / "text.nc")
    with pytest.raises(dacycle.RunFileError, match="no run file"):
        dacycle.open_run(make_run("other.nc", attributes={"source": "some model"}))


def test_a_file_without_its_namelist_is_refused(make_run: MakeRun) -> None:
    path = make_run()
    with netCDF4.Dataset(path, "a") as file:
        file.delncattr("namelist")
    with dacycle.open_run(path) as run, pytest.raises(dacycle.RunFileError, match="namelist"):
        effective_namelist(run)
