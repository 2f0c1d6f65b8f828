"""Shipped networks in the place of model and observation operator: as good as what they replace."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest

from dacycle import namelist as nml

Groups = dict[str, dict[str, Any]]
Run = Callable[..., Path]
Ratio = Callable[[Groups, Groups], float]

REPOSITORY = Path(__file__).parents[3]
SHIPPED = REPOSITORY / "models_export"
EMULATOR = str(SHIPPED / "emulator_l96.pt")
OBSERVATION = str(SHIPPED / "observation_l96_power.pt")
EMULATOR_ALLOWED, OBSERVATION_ALLOWED = 1.10, 1.03
"""RMSE of the run with the network over that of the run without it."""

LETKF: Groups = {
    "cycle": {"analysis": "letkf", "cycles": 2000, "burn_in": 200},
    "ensemble": {"members": 10, "initial": "truth", "initial_sd": 0.1},
    "inflation": {"posterior": 1.04},
    "letkf": {"rotation": True},
    "localisation": {"radius": 6.0},
}
VAR4D: Groups = {
    "cycle": {"analysis": "var4d", "cycles": 300, "burn_in": 100},
    "ensemble": {"members": 1, "initial": "truth", "initial_sd": 0.1},
    "variational": {"window": 3, "gradient_reduction": 0.1},
    "background": {"covariance": "diagonal", "sd": 0.23},
}
SCHEMES = pytest.mark.parametrize("scheme", [LETKF, VAR4D], ids=["letkf", "var4d"])


@pytest.fixture
def ratio(run: Run, tmp_path: Path) -> Ratio:
    """`ratio(groups, networks)`: RMSE with networks over RMSE without, same truth, same noise."""
    quiet: Groups = {"output": {"fields_every": 0, "feedback": False}}

    def rmse(groups: Groups, folder: Path) -> float:
        with netCDF4.Dataset(run(nml.merge(quiet, groups), folder)) as file:
            return float(np.mean(file["analysis_rmse"][groups["cycle"]["burn_in"] :]))

    def compare(groups: Groups, networks: Groups) -> float:
        exact = rmse(groups, tmp_path / "exact")
        return rmse(nml.merge(groups, networks), tmp_path / "network") / exact

    return compare


@pytest.mark.slow
@SCHEMES
def test_an_emulator_is_as_good_as_the_model(scheme: Groups, ratio: Ratio) -> None:
    assert ratio(scheme, {"networks": {"model": EMULATOR}}) < EMULATOR_ALLOWED


@pytest.mark.slow
def test_its_tangent_linear_and_adjoint_serve_the_model(ratio: Ratio) -> None:
    assert ratio(VAR4D, {"networks": {"linear_model": EMULATOR}}) < EMULATOR_ALLOWED


@pytest.mark.slow
@SCHEMES
def test_an_observing_network_is_as_good_as_the_operator(scheme: Groups, ratio: Ratio) -> None:
    observed: Groups = {
        "observations": {
            "kinds": "average",
            "average_half_width": 1.0,
            "average_curve": "power",
            "error_sd": 2.0,
        }
    }
    networks: Groups = {"networks": {"observation": OBSERVATION}}
    assert ratio(nml.merge(scheme, observed), networks) < OBSERVATION_ALLOWED
