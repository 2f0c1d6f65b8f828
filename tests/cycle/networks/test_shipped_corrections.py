"""The corrections of models_export: the cycle is better for them, and their adjoints are right."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import torch

from dacycle import namelist as nml

Groups = dict[str, dict[str, Any]]
Run = Callable[..., Path]

EXPORTS = Path(__file__).parents[3] / "models_export"
CYCLES, BURN_IN = 600, 100
CYCLES_4D_VAR, BURN_IN_4D_VAR = 250, 50
ENSEMBLE = {"members": 20, "initial": "truth", "initial_sd": 0.1}
SINGLE = {"members": 1, "initial": "truth", "initial_sd": 0.1}
CUBIC: Groups = {
    "truth": {"model": "lorenz96_cubic"},
    "observations": {"stride": 2.0, "drift": 1.0, "error_sd": 0.2},
}
TWO_SCALE: Groups = {
    "truth": {"model": "lorenz96_two_scale"},
    "lorenz96": {"n": 36, "forcing": 10.0},
}
FILTERS: dict[str, tuple[Groups, Groups, Groups]] = {
    "correction_l96_cubic": (
        CUBIC,
        {
            "localisation": {"radius": 3.0},
            "inflation": {"posterior": 1.2},
            "model_error": {"sd": 0.7},
        },
        {
            "localisation": {"radius": 4.0},
            "inflation": {"posterior": 1.06},
            "model_error": {"sd": 0.1},
        },
    ),
    "correction_l96_two_scale": (
        TWO_SCALE,
        {
            "localisation": {"radius": 3.0},
            "inflation": {"posterior": 1.1},
            "model_error": {"sd": 1.0},
        },
        {
            "localisation": {"radius": 4.0},
            "inflation": {"posterior": 1.04},
            "model_error": {"sd": 0.2},
        },
    ),
}
"""The truth, and what suits the plain and the corrected model (experiments/correction)."""

GAIN = 0.75
"""What is at most left of the plain model's RMSE: less than 0.65 in experiments/correction."""


def rmse(path: Path, first: int) -> float:
    with netCDF4.Dataset(path) as file:
        return float(np.mean(file["analysis_rmse"][first:]))


@pytest.mark.slow
@pytest.mark.parametrize("name", FILTERS)
def test_a_correction_lowers_the_rmse_of_the_filter(name: str, run: Run, tmp_path: Path) -> None:
    truth, plain, corrected = FILTERS[name]
    common: Groups = nml.merge(
        truth,
        {
            "cycle": {"analysis": "letkf", "cycles": CYCLES, "burn_in": BURN_IN, "seed": 11},
            "ensemble": ENSEMBLE,
            "output": {"fields_every": 0, "feedback": False},
        },
    )
    corrected = nml.merge(corrected, {"networks": {"correction": str(EXPORTS / f"{name}.pt")}})
    without = rmse(run(nml.merge(common, plain), tmp_path / "plain"), BURN_IN)
    found = rmse(run(nml.merge(common, corrected), tmp_path / "corrected"), BURN_IN)
    assert found < GAIN * without


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "truth", "window", "sd", "corrected_sd"),
    [
        ("correction_l96_cubic", CUBIC, 1, 0.32, 0.12),
        ("correction_l96_two_scale", TWO_SCALE, 2, 0.5, 0.3),
    ],
)
def test_a_correction_lowers_the_rmse_of_4d_var(
    name: str,
    truth: Groups,
    window: int,
    sd: float,
    corrected_sd: float,
    run: Run,
    tmp_path: Path,
) -> None:
    common: Groups = nml.merge(
        truth,
        {
            "cycle": {
                "analysis": "var4d",
                "cycles": CYCLES_4D_VAR,
                "burn_in": BURN_IN_4D_VAR,
                "seed": 11,
            },
            "ensemble": SINGLE,
            "variational": {"window": window},
            "background": {"covariance": "diagonal", "sd": sd},
            "output": {"fields_every": 0, "feedback": False},
        },
    )
    corrected: Groups = {
        "background": {"sd": corrected_sd},
        "networks": {"correction": str(EXPORTS / f"{name}.pt")},
    }
    without = rmse(run(common, tmp_path / "plain"), BURN_IN_4D_VAR)
    found = rmse(run(nml.merge(common, corrected), tmp_path / "corrected"), BURN_IN_4D_VAR)
    assert found < GAIN * without


def in_double_precision(path: Path, target: Path) -> Path:
    """The same weights as float64, with a sample to match."""
    extra = {"dacycle.nml": "", "dacycle.json": ""}
    module = torch.jit.load(str(path), _extra_files=extra).double()
    module.sample_output = module(module.sample_input)
    torch.jit.save(module, str(target), _extra_files=extra)
    return target


@pytest.mark.parametrize(
    ("name", "truth"),
    [("correction_l96_cubic", CUBIC), ("correction_l96_two_scale", TWO_SCALE)],
)
def test_the_adjoint_of_a_corrected_model_is_right(
    name: str, truth: Groups, da_cycle: Callable[..., Any], tmp_path: Path
) -> None:
    groups: Groups = nml.merge(
        truth,
        {
            "cycle": {"analysis": "var4d", "cycles": 2, "burn_in": 0},
            "ensemble": SINGLE,
            "variational": {"window": 2},
            "background": {"covariance": "diagonal", "sd": 0.2},
            "networks": {
                "correction": str(in_double_precision(EXPORTS / f"{name}.pt", tmp_path / "d.pt"))
            },
        },
    )
    nml.write(groups, tmp_path / "run.nml")
    done = da_cycle(["--check-adjoint", "run.nml"], 1, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "operators are right" in done.stdout
