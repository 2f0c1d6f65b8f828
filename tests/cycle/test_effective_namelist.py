"""The output carries all its settings: run again, they give the same file."""

import filecmp
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import f90nml
import netCDF4
import pytest

from dacycle import namelist as nml
from dacycle.runner import defaults

Groups = dict[str, dict[str, Any]]
DaCycle = Callable[..., subprocess.CompletedProcess[str]]

SHORT: Groups = {"cycle": {"cycles": 30, "burn_in": 5}, "lorenz96": {"n": 8}}
CASES: dict[str, Groups] = {
    "defaults": {},
    "title with quotes": {"cycle": {"title": 'it\'s "quoted" & odd / = ! name: värme'}},
    "etkf": {"cycle": {"analysis": "etkf"}, "etkf": {"rotation": False}},
    "stochastic_enkf": {"cycle": {"analysis": "stochastic_enkf"}},
    "var4d": {"cycle": {"analysis": "var4d"}, "variational": {"window": 2}},
    "hybrid var3d": {"cycle": {"analysis": "var3d"}, "hybrid": {"weight": 1.0 / 3}},
    "e4dvar": {"cycle": {"analysis": "e4dvar"}, "hybrid": {"weight": 1.0, "filter": "etkf"}},
    "e3dvar, global": {
        "cycle": {"analysis": "e3dvar"},
        "hybrid": {"weight": 0.0, "filter": "etkf"},
    },
    "4denvar": {"cycle": {"analysis": "4denvar"}, "hybrid": {"filter": "ensrf"}},
    "weak constraint": {
        "cycle": {"analysis": "var4d"},
        "weak_constraint": {"forcings": "constant", "memory": 0.9, "sd": 0.03},
    },
    "smoother": {"smoother": {"lag": 3}},
    "ienks": {"cycle": {"analysis": "ienks"}, "ienks": {"finite_size": True}},
    "one state": {
        "cycle": {"analysis": "kalman_second_order"},
        "ensemble": {"members": 1},
        "kalman_second_order": {"q": 1e-3 / 3, "order": 1},
    },
    "a window of one state": {
        "cycle": {"analysis": "kalman_second_order"},
        "ensemble": {"members": 1},
        "kalman_second_order": {"window": 2, "iterations": 3, "tolerance": 1e-4 / 3},
    },
    "var3d": {"cycle": {"analysis": "var3d"}, "background": {"factor": 0.03}},
    "none": {"cycle": {"analysis": "none"}},
    "climatology": {"cycle": {"analysis": "climatology"}},
    "other truth": {"truth_lorenz96": {"forcing": 8.3, "dt": 0.0125}},
    "numbers": {"inflation": {"posterior": 1.0 / 0.97}, "observations": {"error_sd": 1e-7 / 3}},
    "start": {"ensemble": {"initial": "truth", "initial_sd": 0.3}},
    "positions": {"observations": {"positions": [0.1, 7.999999, 1 / 3]}},
    "kinds": {"observations": {"kinds": ["abs", "value", "average"], "average_half_width": 1.3}},
    "curve": {"observations": {"kinds": "average", "average_curve": "power", "power_cap": 9.0}},
    "random points": {"observations": {"network": "random_points", "probability": 1 / 3}},
    "random positions": {"observations": {"network": "random_positions", "count": 7, "every": 2}},
    "moving": {"observations": {"stride": 2.0, "drift": -0.1}},
    "errors": {"observations": {"error_distribution": "laplace", "gross_error_share": 0.1}},
    "correlated errors": {"observations": {"error_correlation_length": 1.7}},
    "weights and superobservations": {
        "quality_control": {"weighting": "varqc", "gross_probability": 1 / 3, "gross_width": 7.0},
        "superobbing": {"width": 1.7, "error_factor": 1.1},
    },
    "correlated errors, thinned": {
        "observations": {"error_correlation_length": 2.5},
        "thinning": {"spacing": 1.5},
    },
    "files": {
        "truth": {"source": "file", "file": "@/truth.nc"},
        "observations": {"source": "file", "file": "observations.nc"},
    },
    "no truth": {
        "truth": {"source": "none"},
        "observations": {"source": "file", "file": "observations.nc"},
    },
    "verification": {
        "verification": {
            "crps": True,
            "rank_histogram": True,
            "thresholds": [1 / 3, 4.0],
            "points_every": 2,
            "regions": [0, 3, 6, 1],
            "lead_times": [0.1, 0.25],
            "forecasts_every": 4,
            "forecast": "ensemble",
        }
    },
    "output": {"output": {"members_every": 3, "fields_every": 2, "feedback": False}},
}


@pytest.mark.parametrize("name", CASES)
def test_run_again_it_gives_the_same_file(
    name: str,
    run: Callable[..., Path],
    da_cycle: DaCycle,
    make_truth: Callable[..., Path],
    make_observations: Callable[..., Path],
    tmp_path: Path,
) -> None:
    make_truth(records=31)
    make_observations(cycles=30)
    path = run(nml.merge(SHORT, CASES[name]), tmp_path)
    first = path.rename(tmp_path / "first.nc")
    with netCDF4.Dataset(first) as file:
        (tmp_path / "run.nml").write_text(file.namelist, encoding="utf-8")
    done = da_cycle(["run.nml"], cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert filecmp.cmp(first, path, shallow=False)


def test_it_holds_what_was_asked_and_the_defaults(
    run: Callable[..., Path], program: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = nml.merge(SHORT, CASES["numbers"])
    with netCDF4.Dataset(run(asked, tmp_path)) as file:
        effective = f90nml.Parser().reads(file.namelist).todict()
    monkeypatch.setenv("DACYCLE_PROGRAM", str(program))
    # The output has the name that it was given, after the namelist.
    named = {"output": {"file": "run.nc"}}
    expected = nml.merge(nml.merge(nml.parse(defaults()), asked), named)
    for group, keys in expected.items():
        assert dict(effective[group]) == keys, group


def test_ncdump_shows_it(run: Callable[..., Path], tmp_path: Path) -> None:
    ncdump = shutil.which("ncdump")
    assert ncdump is not None, "ncdump is not there: bin/setup test installs it"
    shown = subprocess.run(
        [ncdump, "-h", run(SHORT, tmp_path)], capture_output=True, text=True, check=True
    ).stdout
    assert "double analysis_mean(field_time, x) ;" in shown
    assert "&lorenz96" in shown
