"""Networks whose answer is known, in the cycle: what the Fortran code does by itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest

from dacycle import namelist as nml

Groups = dict[str, dict[str, Any]]
Run = Callable[..., Path]

ROUNDING = 1e-8
"""Of states of size 10: errors of 1e-15 a step, grown by the flow for a time unit."""

SINGLE = 1e-3
"""The same for steps in single precision."""

FIELDS = ("background_mean", "background_sd", "analysis_mean", "analysis_sd")
CYCLES = 20
LETKF: Groups = {
    "cycle": {"analysis": "letkf"},
    "ensemble": {"members": 8, "initial": "truth", "initial_sd": 0.5},
}
VAR4D: Groups = {
    "cycle": {"analysis": "var4d"},
    "ensemble": {"members": 1, "initial": "truth", "initial_sd": 0.5},
    "variational": {"window": 4, "outer_loops": 3, "gradient_reduction": 1e-8},
    # Not the climate's: that of another model is another.
    "background": {"covariance": "homogeneous", "sd": 0.4},
}
VAR3D: Groups = {
    "cycle": {"analysis": "var3d"},
    "ensemble": {"members": 1, "initial": "truth", "initial_sd": 0.5},
    "background": {"covariance": "diagonal", "sd": 0.5},
    "variational": {"gradient_reduction": 1e-12},
}


def network(role: str, path: Path, **settings: Any) -> Groups:
    return {"networks": {role: str(path)} | settings}


@pytest.fixture
def difference(run: Run, tmp_path: Path) -> Callable[[Groups, Groups], float]:
    """`difference(groups, others)`: the largest difference of the fields of two runs."""
    short: Groups = {"cycle": {"cycles": CYCLES, "burn_in": 5}}

    def compare(groups: Groups, others: Groups) -> float:
        with (
            netCDF4.Dataset(run(nml.merge(short, groups), tmp_path / "one")) as one,
            netCDF4.Dataset(run(nml.merge(short, others), tmp_path / "other")) as other,
        ):
            return max(float(np.abs(one[name][:] - other[name][:]).max()) for name in FIELDS)

    return compare


@pytest.mark.parametrize("scheme", [LETKF, VAR4D], ids=["letkf", "var4d"])
@pytest.mark.parametrize("name", ["model", "single"])
def test_the_model_as_a_network_is_the_model(
    name: str, scheme: Groups, networks: Path, difference: Callable[[Groups, Groups], float]
) -> None:
    emulated = nml.merge(scheme, network("model", networks / f"{name}.pt"))
    assert difference(scheme, emulated) < (SINGLE if name == "single" else ROUNDING)


def test_the_model_as_its_own_linear_model_changes_nothing(
    networks: Path, difference: Callable[[Groups, Groups], float]
) -> None:
    linear = nml.merge(VAR4D, network("linear_model", networks / "model.pt"))
    assert difference(VAR4D, linear) < ROUNDING


@pytest.mark.parametrize("scheme", [LETKF, VAR4D], ids=["letkf", "var4d"])
def test_a_correction_mends_the_forcing(
    scheme: Groups, networks: Path, difference: Callable[[Groups, Groups], float]
) -> None:
    """Two steps of the model with the wrong forcing and their correction are two of the right."""
    right: Groups = nml.merge(
        scheme,
        {
            "cycle": {"interval": 0.1},
            "truth_lorenz96": {"forcing": 8.5},
            "lorenz96": {"forcing": 8.5},
        },
    )
    wrong = nml.merge(right, {"lorenz96": {"forcing": 8.0}})
    corrected = nml.merge(wrong, network("correction", networks / "correction.pt"))
    assert difference(right, corrected) < ROUNDING


@pytest.mark.parametrize("scheme", [LETKF, VAR4D], ids=["letkf", "var4d"])
def test_a_corrected_tendency_is_the_other_model(
    scheme: Groups, networks: Path, difference: Callable[[Groups, Groups], float]
) -> None:
    """Lorenz-96 and the terms that the cubic model has besides."""
    truth: Groups = nml.merge(scheme, {"truth": {"model": "lorenz96_cubic"}})
    right = nml.merge(truth, {"cycle": {"model": "lorenz96_cubic"}})
    corrected = nml.merge(truth, network("correction", networks / "tendency.pt"))
    assert difference(right, corrected) < ROUNDING
    assert difference(right, truth) > 0.1


@pytest.mark.parametrize("scheme", [LETKF, VAR4D], ids=["letkf", "var4d"])
def test_an_observed_network_is_the_kind_it_computes(
    scheme: Groups, networks: Path, difference: Callable[[Groups, Groups], float]
) -> None:
    squared = nml.merge(scheme, {"observations": {"kinds": ["square"], "error_sd": 5.0}})
    emulated = nml.merge(squared, network("observation", networks / "square.pt"))
    assert difference(squared, emulated) < ROUNDING


def test_a_constant_gain_is_3d_var(
    networks: Path, difference: Callable[[Groups, Groups], float]
) -> None:
    assert difference(VAR3D, nml.merge(VAR3D, network("analysis", networks / "gain.pt"))) < ROUNDING


def test_a_network_in_doubt_gives_way(
    networks: Path, run: Run, tmp_path: Path, difference: Callable[[Groups, Groups], float]
) -> None:
    """A limit that every cycle exceeds: the other scheme makes all analyses after the first."""
    doubted = nml.merge(
        VAR3D,
        network(
            "analysis",
            networks / "gain.pt",
            fallback_limit=1e-6,
            fallback_patience=1,
            fallback_duration=CYCLES,
        ),
    )
    assert difference(VAR3D, doubted) == 0.0
