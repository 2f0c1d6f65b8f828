"""An ensemble that is lost, its truth being sound: the end of the filter, or a new beginning.

The forecast model's time step is beyond the stability of its scheme; the truth has its own.
"""

import filecmp
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest

import dacycle
from dacycle import namelist as nml

Groups = dict[str, dict[str, Any]]
Program = Callable[..., subprocess.CompletedProcess[str]]

CYCLES, LOST = 300, 3

UNSTABLE: Groups = {
    "cycle": {"cycles": CYCLES, "burn_in": 10, "interval": 0.25, "analysis": "letkf"},
    "lorenz96": {"dt": 0.25, "forcing": 12.0},
    "truth_lorenz96": {"dt": 0.05, "forcing": 8.0},
    "ensemble": {"members": 10, "initial": "truth"},
    "observations": {"stride": 4.0},
    "verification": {"crps": True, "regions": [0, 9]},
}
GOES_ON: Groups = nml.merge(UNSTABLE, {"cycle": {"on_loss": "restart"}})


def make(groups: Groups, folder: Path, da_cycle: Program, ranks: int = 1) -> tuple[int, str, Path]:
    folder.mkdir(exist_ok=True)
    nml.write(groups, folder / "run.nml")
    done = da_cycle(["--progress", "none", "run.nml"], ranks, cwd=folder)
    return done.returncode, done.stderr, folder / "run.nc"


def test_a_lost_run_has_its_file(da_cycle: Program, tmp_path: Path) -> None:
    status, errors, path = make(UNSTABLE, tmp_path / "one", da_cycle)
    assert status == LOST, errors
    assert errors.count("\n") == 1
    assert errors.startswith("da_cycle: error: run.nml: cycle ")
    assert sorted(file.name for file in path.parent.iterdir()) == ["run.nc", "run.nml"]
    with netCDF4.Dataset(path) as file:
        file.set_auto_mask(False)
        lost = int(file.lost_at_cycle)
        assert f"cycle {lost}: the ensemble is not finite" in errors
        assert 1 < lost < CYCLES
        for name in ("analysis_rmse", "background_spread", "background_crps", "analysis_mean"):
            values = file[name][:].reshape(CYCLES, -1)
            assert np.isfinite(values[: lost - 1]).all(), name
            assert np.isnan(values[lost - 1 :]).all(), name
        assert np.isnan(file["analysis_rmse"].time_mean)
        assert np.isfinite(file["truth"][:]).all()
        after = file["obs_time"][:] > 0.25 * (lost - 0.5)
        assert np.isfinite(file["obs_value"][:]).all()
        assert (file["obs_qc"][:][after] == 4).all()
        assert np.isnan(file["obs_analysis"][:][after]).all()
        assert np.isfinite(file["obs_background"][:][~after]).all()
        rmse = file["analysis_rmse"][10:]
        expected = np.mean(~(rmse <= file["analysis_rmse"].lost_above))
        assert file["analysis_rmse"].lost_fraction == pytest.approx(expected)
    again = make(UNSTABLE, tmp_path / "three", da_cycle, ranks=3)
    assert again[0] == LOST
    assert filecmp.cmp(path, again[2], shallow=False)
    again = da_cycle(["--restart", "--progress", "none", "run.nml"], cwd=path.parent)
    assert (again.returncode, again.stderr) == (LOST, errors)
    assert again.stdout == "run.nc is complete already\n"


def test_a_filter_goes_on(da_cycle: Program, tmp_path: Path) -> None:
    status, errors, path = make(GOES_ON, tmp_path / "one", da_cycle)
    assert (status, errors) == (0, "")
    with netCDF4.Dataset(path) as file:
        file.set_auto_mask(False)
        assert file.lost_at_cycle == 0
        assert file.restarts == file["restarted"][:].sum() > 1
        for name in ("analysis_rmse", "analysis_mean", "background_crps", "obs_analysis"):
            assert np.isfinite(file[name][:]).all(), name
        first, second = np.flatnonzero(file["restarted"][:])[:2]
        drawn = file["background_mean"][:] - file["truth"][:]
        assert np.abs(drawn[first]).max() < 8  # around the truth of now, not that of cycle 0
        assert np.abs(drawn[first] - drawn[second]).max() > 0.1  # with numbers of its own
    again = make(GOES_ON, tmp_path / "three", da_cycle, ranks=3)
    assert again[:2] == (0, "")
    assert filecmp.cmp(path, again[2], shallow=False)


@pytest.mark.parametrize("groups", [UNSTABLE, GOES_ON], ids=["end", "restart"])
def test_a_killed_run_is_lost_in_the_same_way(
    groups: Groups, unfinished: Callable[..., Path], da_cycle: Program, tmp_path: Path
) -> None:
    groups = nml.merge(groups, {"checkpoint": {"every": 7}, "cycle": {"cycles": 2000}})
    unfinished(groups, after=CYCLES)
    status = da_cycle(["--restart", "--progress", "none", "run.nml"], cwd=tmp_path).returncode
    whole = make(groups, tmp_path / "uninterrupted", da_cycle)
    assert status == whole[0]
    assert filecmp.cmp(tmp_path / "run.nc", whole[2], shallow=False)


def test_python_hands_back_a_lost_run(tmp_path: Path) -> None:
    with pytest.warns(dacycle.LostWarning, match="not finite"):
        run = dacycle.run(UNSTABLE, output="lost.nc", directory=tmp_path)
    with run:
        assert run.attrs["lost_at_cycle"] > 0
        assert np.isnan(run["analysis_rmse"].attrs["time_mean"])


def test_windows_do_not_begin_again(da_cycle: Program, tmp_path: Path) -> None:
    groups = {"cycle": {"analysis": "ienks", "on_loss": "restart"}, "ienks": {"window": 2}}
    status, errors, path = make(groups, tmp_path, da_cycle)
    assert status == 2
    assert "&cycle on_loss = 'restart': analysis = 'ienks' works on windows" in errors
    assert not path.exists()
