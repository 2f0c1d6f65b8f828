"""Several members that a network analyses: with departures of their own they stay an ensemble."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest

from dacycle import namelist as nml

Groups = dict[str, dict[str, Any]]
Run = Callable[..., Path]

GAIN = 0.2
"""Of gain.pt: background errors of 0.5, observation errors of 1."""

SAMPLING = 0.06
"""Four standard errors of a variance with 400 x 19 degrees of freedom."""

BUNDLE: Groups = {
    "cycle": {"analysis": "var3d", "cycles": 1, "burn_in": 0},
    "ensemble": {"members": 6, "initial": "truth", "initial_sd": 1e-9},
}


def test_members_alike_are_spread_by_their_observations(
    networks: Path, run: Run, tmp_path: Path
) -> None:
    """The perturbations' mean is zero and their variance, unbiased, that of the errors."""
    error_sd = 2.0
    groups = nml.merge(
        BUNDLE,
        {
            "lorenz96": {"n": 400},
            "ensemble": {"members": 20},
            "observations": {"error_sd": error_sd},
            "networks": {"analysis": str(networks / "gain.pt"), "departures": "perturbed"},
        },
    )
    single: Groups = {"ensemble": {"members": 1}, "networks": {"departures": "mean"}}
    with (
        netCDF4.Dataset(run(groups, tmp_path / "several")) as several,
        netCDF4.Dataset(run(nml.merge(groups, single), tmp_path / "one")) as one,
    ):
        variance = np.mean(np.square(several["analysis_sd"][:]))
        assert variance == pytest.approx((GAIN / error_sd) ** 2, rel=SAMPLING)
        np.testing.assert_allclose(
            several["analysis_mean"][:], one["analysis_mean"][:], rtol=0, atol=1e-7
        )
        assert one["analysis_rmse"][0] > 0.01


def test_members_that_learned_alone_do_not_share_departures(
    networks: Path, error_of: Callable[..., str], tmp_path: Path
) -> None:
    groups = nml.merge(BUNDLE, {"networks": {"analysis": str(networks / "alone.pt")}})
    nml.write(groups, tmp_path / "run.nml")
    line = error_of(["run.nml"])
    assert line.startswith("run.nml: &ensemble members = 6: ")
    assert "set departures = 'perturbed' in &networks, or members = 1" in line


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        (
            {"networks": {"departures": "perturbed", "analysis": "gain.pt"}},
            "&networks departures = 'perturbed': needs members above 1 in &ensemble",
        ),
        ({"networks": {"departures": "perturbed"}}, "&networks departures is not used"),
        (
            {"networks": {"departures": "median", "analysis": "gain.pt"}},
            "&networks departures = 'median' is not known (known: mean, perturbed)",
        ),
    ],
    ids=str,
)
def test_departures_that_fit_nothing(
    groups: Groups, words: str, networks: Path, error_of: Callable[..., str], tmp_path: Path
) -> None:
    if "analysis" in groups["networks"]:
        network: Groups = {"networks": {"analysis": str(networks / "gain.pt")}}
        groups = nml.merge(groups, network)
    nml.write(
        nml.merge(BUNDLE, nml.merge({"ensemble": {"members": 1}}, groups)), tmp_path / "run.nml"
    )
    assert words in error_of(["run.nml"])
