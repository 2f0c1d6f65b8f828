"""A bias of the observations is found, and the state no longer suffers from it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from dacycle import namelist as nml
from dacycle.verification.scores import disagreements

Groups = dict[str, dict[str, Any]]
Output = Callable[..., xr.Dataset]

COMMON: Groups = {
    "cycle": {"cycles": 1200, "burn_in": 300, "seed": 3},
    "ensemble": {"members": 20, "initial": "truth", "initial_sd": 0.1},
    "inflation": {"posterior": 1.02},
    "output": {"fields_every": 0},
}
ESTIMATED: Groups = {"observation_bias": {"estimate": True, "minimum_sd": 0.02}}


@pytest.fixture(scope="module")
def output(run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Output:
    def of(bias: float, groups: Groups, more: Groups | None = None) -> xr.Dataset:
        parts = nml.merge({"observations": {"bias": bias}}, nml.merge(groups, more or {}))
        path = run(nml.merge(COMMON, parts), tmp_path_factory.mktemp("run"))
        with xr.open_dataset(path, engine="netcdf4") as dataset:
            return dataset.load()

    return of


@pytest.fixture(scope="module")
def unbiased(output: Output) -> float:
    return float(output(0.0, {})["analysis_rmse"].attrs["time_mean"])


@pytest.mark.parametrize("bias", [0.0, 0.5, 1.0])
def test_the_bias_is_found(bias: float, output: Output, unbiased: float) -> None:
    run = output(bias, ESTIMATED)
    assert np.abs(run["bias_mean"][100:] - bias).max() < 0.1
    assert run["bias_mean"].attrs["time_mean"] == pytest.approx(bias, abs=0.02)
    assert run["bias_spread"].attrs["time_mean"] == pytest.approx(0.02, abs=0.002)
    assert run["analysis_rmse"].attrs["time_mean"] < 1.04 * unbiased
    assert abs(run["analysis_bias"].attrs["time_mean"]) < 0.02
    assert run["innovation_chi2"].attrs["time_mean"] == pytest.approx(1, abs=0.05)
    assert disagreements(run) == []


def test_with_a_global_filter(output: Output, unbiased: float) -> None:
    etkf: Groups = {"cycle": {"analysis": "etkf"}, "ensemble": {"members": 24}}
    run = output(1.0, ESTIMATED, etkf)
    assert run["bias_mean"].attrs["time_mean"] == pytest.approx(1, abs=0.02)
    assert run["analysis_rmse"].attrs["time_mean"] < 1.04 * unbiased


def test_a_bias_that_is_not_estimated_harms(output: Output, unbiased: float) -> None:
    """Else there would be nothing to gain."""
    run = output(0.5, {})
    assert "bias_mean" not in run
    assert run["analysis_rmse"].attrs["time_mean"] > 1.3 * unbiased


def test_the_feedback_has_the_bias(output: Output) -> None:
    """Background and analysis at the observations are what the observations should be."""
    run = output(1.0, ESTIMATED)
    late = run["obs_time"] > 40
    for state in ("background", "analysis"):
        departure = (run["obs_value"] - run[f"obs_{state}"])[late]
        assert abs(float(departure.mean())) < 0.03
