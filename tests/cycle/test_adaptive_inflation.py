"""Adaptive inflation grows where the ensemble is too narrow, and there only."""

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

COMMON: Groups = {
    "cycle": {"cycles": 1500, "burn_in": 400, "seed": 3},
    "ensemble": {"members": 20, "initial": "truth", "initial_sd": 0.1},
    "output": {"fields_every": 10, "feedback": False},
}
ADAPTIVE: Groups = {"adaptive_inflation": {"scheme": "miyoshi2011"}}
CONSTANT: Groups = {"inflation": {"posterior": 1.02}}
WRONG: Groups = {"truth_lorenz96": {"forcing": 8.5}}


@pytest.fixture(scope="module")
def output(run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Output:
    def of(groups: Groups) -> xr.Dataset:
        path = run(nml.merge(COMMON, groups), tmp_path_factory.mktemp("run"))
        with xr.open_dataset(path, engine="netcdf4") as dataset:
            return dataset.load()

    return of


def test_it_keeps_the_truth_in_spite_of_model_error(output: Output) -> None:
    """A constant factor that suits a perfect model does not know how wrong it is."""
    lost = output(nml.merge(WRONG, CONSTANT))
    kept = output(nml.merge(WRONG, ADAPTIVE))
    assert lost["analysis_rmse"].attrs["time_mean"] > 0.45
    assert lost["innovation_chi2"].attrs["time_mean"] > 1.2
    assert kept["innovation_chi2"].attrs["time_mean"] < 1.1
    assert kept["analysis_rmse"].attrs["time_mean"] < 0.4
    assert kept["analysis_rmse"].attrs["maximum"] < 1.0
    assert kept["inflation_mean"][-1] > 1.08
    assert disagreements(kept) == []


def test_it_is_a_field_of_the_output(output: Output) -> None:
    run = output(ADAPTIVE)
    field = run["inflation"]
    assert field.dims == ("field_time", "x")
    assert field.attrs["long_name"].startswith("adaptive inflation")
    np.testing.assert_allclose(field.mean("x"), run["inflation_mean"][9::10], rtol=1e-12)
    assert (field > 1).all()
    assert (field < 1.1).all()
    assert field[-1].max() > field[-1].min()


def test_where_nothing_is_observed_it_ends(output: Output) -> None:
    half: Groups = {"observations": {"positions": list(np.arange(20.0))}}
    late = output(nml.merge(ADAPTIVE, half))["inflation"][50:]
    observed, unobserved = late[:, 5:15], late[:, 28:31]
    assert observed.mean() > 1.02
    assert np.abs(unobserved - 1).max() < 0.02


@pytest.mark.parametrize("analysis", ["etkf", "denkf", "stochastic_enkf"])
def test_it_works_with_global_filters(analysis: str, output: Output) -> None:
    """Nothing is localised but the factor."""
    groups: Groups = {
        "cycle": {"analysis": analysis},
        "ensemble": {"members": 24 if analysis == "etkf" else 40},
    }
    run = output(nml.merge(groups, ADAPTIVE))
    assert run["analysis_rmse"].attrs["time_mean"] < (
        0.26 if analysis == "stochastic_enkf" else 0.21
    )
