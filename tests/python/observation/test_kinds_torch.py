"""Observed fields in PyTorch are what da_cycle observes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import pytest
import torch

from dacycle import namelist as nml
from dacycle.observation.kinds_torch import CURVES, average, weights

ROUNDING = 1e-13
"""Of fields of size 50."""

PARAMETERS: dict[str, float] = {"power_exponent": 1.5, "power_cap": 9.0, "log_offset": 0.5}
USED = {"power": ("power_exponent", "power_cap"), "log": ("log_offset",)}


@pytest.mark.parametrize("half_width", [0.0, 0.3, 1.0, 2.7, 6.0])
@pytest.mark.parametrize("curve", CURVES)
def test_a_field_is_that_of_the_program(
    curve: str, half_width: float, da_cycle: Callable[..., Any], tmp_path: Path
) -> None:
    """A free run of one member observes its own background."""
    observations: dict[str, Any] = {key: PARAMETERS[key] for key in USED.get(curve, ())}
    if half_width > 0:
        observations |= {"kinds": "average", "average_curve": curve}
        observations["average_half_width"] = half_width
    else:
        observations["kinds"] = curve
    groups: nml.Groups = {
        "cycle": {"analysis": "none", "cycles": 3, "burn_in": 0},
        "lorenz96": {"n": 13},
        "ensemble": {"members": 1},
        "observations": observations,
    }
    nml.write(groups, tmp_path / "run.nml")
    done = da_cycle(["run.nml"], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with netCDF4.Dataset(tmp_path / "run.nc") as run:
        states = torch.from_numpy(run["background_mean"][:].filled())
        expected = torch.from_numpy(run["obs_background"][:].filled()).reshape(states.shape)
    found = CURVES[curve](average(states, half_width), *PARAMETERS.values())
    assert float((found - expected).abs().max()) < ROUNDING


@pytest.mark.parametrize("half_width", [0.01, 1.0, 1.5, 6.5])
def test_weights_are_those_of_a_mean(half_width: float) -> None:
    found = weights(half_width)
    assert sum(found) == pytest.approx(1, abs=1e-14)
    assert found == pytest.approx(found[::-1], abs=1e-12)
    assert all(weight >= 0 for weight in found)
