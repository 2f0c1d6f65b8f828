"""A wrong parameter of the model is found from the observations, and the state hardly suffers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from dacycle import namelist as nml
from dacycle.verification.scores import disagreements

Groups = dict[str, dict[str, Any]]
Output = Callable[[Groups], xr.Dataset]

CYCLES = 1500
COMMON: Groups = {
    "cycle": {"model": "lorenz96_forced", "cycles": CYCLES, "burn_in": 300, "seed": 3},
    "ensemble": {"members": 20, "initial": "truth", "initial_sd": 0.1},
    "inflation": {"posterior": 1.02},
    "output": {"fields_every": 10, "feedback": False},
}
ESTIMATED: Groups = {"parameters": {"estimate": True, "first_guess": 7.0, "minimum_sd": 0.02}}
WAVE: Groups = {"lorenz96_forced": {"amplitude": 1.0, "wave_number": 2}}


@pytest.fixture(scope="module")
def output(run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Output:
    def of(groups: Groups) -> xr.Dataset:
        path = run(nml.merge(COMMON, groups), tmp_path_factory.mktemp("run"))
        with xr.open_dataset(path, engine="netcdf4") as dataset:
            return dataset.load()

    return of


@pytest.fixture(scope="module")
def known(output: Output) -> float:
    run = output({})
    assert (run["parameter_mean"] == 8).all()
    assert (run["parameter_rmse"] == 0).all()
    return float(run["analysis_rmse"].attrs["time_mean"])


@pytest.mark.parametrize("analysis", ["letkf", "etkf"])
def test_one_forcing_for_the_circle(analysis: str, output: Output, known: float) -> None:
    members = {"letkf": 20, "etkf": 24}[analysis]
    groups: Groups = {"cycle": {"analysis": analysis}, "ensemble": {"members": members}}
    run = output(nml.merge(groups, ESTIMATED))
    found = run["parameter_mean"]
    assert abs(found[0] - 8) > 0.3
    assert np.abs(found[100:] - 8).max() < 0.15
    assert np.abs(found[300:] - 8).mean() < 0.04
    field = run["analysis_mean"][:, 1]
    assert (field.max("x") - field.min("x")).max() < 1e-12
    np.testing.assert_allclose(run["parameter_rmse"], np.abs(found - 8), atol=1e-12)
    assert run["analysis_rmse"].attrs["time_mean"] < 1.04 * known
    assert disagreements(run) == []


def test_a_wrong_forcing_is_worse(output: Output, known: float) -> None:
    """Else there would be nothing to find."""
    wrong: Groups = {
        "lorenz96_forced": {"forcing": 7.0},
        "truth_lorenz96_forced": {"forcing": 8.0},
    }
    run = output(wrong)
    assert run["analysis_rmse"].attrs["time_mean"] > 1.5 * known


def test_a_field_of_forcing(output: Output) -> None:
    local = {"scope": "local", "first_guess": 8.0, "correlation_length": 3.0, "minimum_sd": 0.05}
    known = output(WAVE)
    run = output(nml.merge(nml.merge(ESTIMATED, WAVE), {"parameters": local}))
    error = run["analysis_mean"][:, 1] - run["truth"][:, 1]
    assert np.sqrt((error[0] ** 2).mean()) > 0.3
    assert np.sqrt((error[30:] ** 2).mean()) < 0.1
    assert run["parameter_rmse"].attrs["time_mean"] < 0.1
    assert run["analysis_rmse"].attrs["time_mean"] < (
        1.08 * known["analysis_rmse"].attrs["time_mean"]
    )


def test_a_truth_that_does_not_tell(output: Output) -> None:
    """The truth's model has no parameter: what is found is scored by the state alone."""
    run = output(nml.merge(ESTIMATED, {"truth": {"model": "lorenz96"}}))
    assert "parameter_rmse" not in run
    assert np.isnan(run["truth"][:, 1]).all()
    assert np.isfinite(run["truth"][:, 0]).all()
    assert np.abs(run["parameter_mean"][300:] - 8).mean() < 0.04
