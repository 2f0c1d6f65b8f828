"""Weak-constraint 4D-Var finds how the model errs, and is none the worse where it does not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest

from dacycle import namelist as nml

Groups = dict[str, dict[str, Any]]
Run = Callable[..., Path]

BURN_IN = 200
INTERVAL = 0.2
ERROR = 0.5
"""Of the model's tendency at each point, in the runs where the truth has another forcing."""

STRONG: Groups = {
    "cycle": {"analysis": "var4d", "interval": INTERVAL, "cycles": 600, "burn_in": BURN_IN},
    "ensemble": {"members": 1, "initial": "truth", "initial_sd": 0.1},
    "background": {"factor": 0.002},
}
BIASED: Groups = {"truth_lorenz96": {"forcing": 8.0 + ERROR}}
CONSTANT: Groups = {
    "weak_constraint": {
        "forcings": "constant",
        "added": "steps",
        "memory": 1.0,
        "covariance": "homogeneous",
        "sd": 0.01,
        "length": 5.0,
    }
}


def mean(path: Path, name: str) -> float:
    with netCDF4.Dataset(path) as file:
        return float(np.mean(file[name][BURN_IN:]))


def test_a_constant_error_is_found(run: Run, tmp_path: Path) -> None:
    """It acts for an interval, in which the model's damping, of rate one, takes its share."""
    path = run(nml.merge(nml.merge(STRONG, BIASED), CONSTANT), tmp_path)
    assert mean(path, "model_forcing") == pytest.approx(ERROR * (1 - np.exp(-INTERVAL)), abs=0.01)


def test_it_beats_the_best_static_background(run: Run, tmp_path: Path) -> None:
    """0.40 against 0.51 over 3,000 cycles; a larger B is how strong constraint meets an error."""
    inflated = nml.merge(STRONG, {"background": {"factor": 0.01}})
    strong = run(nml.merge(inflated, BIASED), tmp_path / "strong")
    weak = run(nml.merge(nml.merge(STRONG, BIASED), CONSTANT), tmp_path / "weak")
    for name in ("background_rmse", "analysis_rmse", "smoothed_rmse"):
        assert mean(weak, name) < 0.9 * mean(strong, name)


def test_noise_of_the_truth(run: Run, tmp_path: Path) -> None:
    noisy = nml.merge(STRONG, {"model_error": {"truth_sd": 0.5}})
    strong = run(nml.merge(noisy, {"background": {"factor": 0.01}}), tmp_path / "strong")
    forced: Groups = {
        "weak_constraint": {"forcings": "cycle", "sd": 0.2},
        "background": {"factor": 0.001},
    }
    weak = run(nml.merge(noisy, forced), tmp_path / "weak")
    for name in ("background_rmse", "analysis_rmse", "smoothed_rmse"):
        assert mean(weak, name) < 0.93 * mean(strong, name)


@pytest.mark.parametrize("forcings", ["cycle", "constant"])
def test_errors_too_small_to_matter_change_no_bit(forcings: str, run: Run, tmp_path: Path) -> None:
    strong = run(STRONG, tmp_path / "strong")
    tiny: Groups = {"weak_constraint": {"forcings": forcings, "sd": 1e-12}}
    weak = run(nml.merge(STRONG, tiny), tmp_path / "weak")
    with netCDF4.Dataset(strong) as one, netCDF4.Dataset(weak) as other:
        for name in ("analysis_mean", "smoothed_rmse", "background_rmse"):
            np.testing.assert_array_equal(one[name][:], other[name][:])


def test_members_differ_as_their_noise_does(run: Run, tmp_path: Path) -> None:
    """Without other sources of spread, that of the background grows with the model's noise."""
    groups = nml.merge(
        STRONG,
        {
            "ensemble": {"members": 6, "initial_sd": 1e-6},
            "weak_constraint": {"forcings": "cycle", "sd": 0.2},
            "observations": {"error_sd": 1e4},
            "cycle": {"cycles": 1, "burn_in": 0},
        },
    )
    noisy = nml.merge(groups, {"model_error": {"sd": 1.0}})
    with (
        netCDF4.Dataset(run(groups, tmp_path / "quiet")) as quiet,
        netCDF4.Dataset(run(noisy, tmp_path / "noisy")) as file,
    ):
        assert quiet["analysis_spread"][0] < 1e-3
        # The observations know nothing, so what a member was given is what its analysis keeps.
        np.testing.assert_allclose(file["analysis_sd"][0], file["background_sd"][0], rtol=1e-2)
        assert file["analysis_spread"][0] == pytest.approx(np.sqrt(INTERVAL), rel=0.2)
