"""On truth and observations of another system the filters reach its scores.

The data are DAPPER's (experiments/data), and so are the scores to compare with, reached on these
very observations; see experiments/README.md.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from dacycle import namelist as nml
from dacycle.verification.scores import disagreements

pytestmark = pytest.mark.slow

Groups = dict[str, dict[str, Any]]
Score = Callable[[str, Groups], xr.Dataset]

BURN_IN = 400
CYCLES = {"sakov2008": 5000, "bocquet2010_half": 4000}
NEAR_TRUTH: Groups = {"ensemble": {"initial": "truth", "initial_sd": 0.1}}
"""As DAPPER starts: small ensembles may take longer than the burn-in to come from afar."""


def settings(analysis: str, members: int, inflation: float, more: Groups | None = None) -> Groups:
    return nml.merge(
        {
            "cycle": {"analysis": analysis},
            "ensemble": {"members": members},
            "inflation": {"posterior": inflation},
        },
        more or {},
    )


LETKF = settings("letkf", 10, 1.04, {"localisation": {"radius": 6.0}, **NEAR_TRUTH})
STOCHASTIC = settings("stochastic_enkf", 40, 1.06, NEAR_TRUTH)
EAKF = settings("eakf", 7, 1.07, {"localisation": {"radius": 6.0}, **NEAR_TRUTH})
ENSRF = settings("ensrf", 28, 1.02, {"localisation": {"taper": "none"}, **NEAR_TRUTH})
ETKF_24 = settings("etkf", 24, 1.02, NEAR_TRUTH)
ETKF_40 = settings("etkf", 40, 1.04, NEAR_TRUTH)


@pytest.fixture(scope="module")
def score(
    run: Callable[..., Path], repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Score:
    """`score(experiment, groups)`: the output of a run on an experiment's data, on two ranks."""

    def output(experiment: str, groups: Groups) -> xr.Dataset:
        data = repository / "experiments" / "data"
        common: Groups = {
            "cycle": {"cycles": CYCLES[experiment], "burn_in": BURN_IN, "seed": 3},
            "truth": {"source": "file", "file": str(data / f"{experiment}_truth.nc")},
            "observations": {"source": "file", "file": str(data / f"{experiment}_observations.nc")},
            "output": {"fields_every": 0},
        }
        path = run(nml.merge(common, groups), tmp_path_factory.mktemp(experiment), 2)
        with xr.open_dataset(path, engine="netcdf4") as dataset:
            return dataset.load()

    return output


@pytest.mark.parametrize(
    ("experiment", "groups", "published", "tolerance"),
    [
        ("sakov2008", LETKF, 0.199, 0.03),
        ("sakov2008", STOCHASTIC, 0.223, 0.03),
        ("bocquet2010_half", ETKF_40, 0.484, 0.05),
        ("sakov2008", ETKF_24, 0.180, 0.005 / 0.180),
        ("sakov2008", EAKF, 0.225, 0.01 / 0.225),
        ("sakov2008", ENSRF, 0.179, 0.005 / 0.179),
    ],
    ids=[
        "LETKF N=10",
        "stochastic EnKF N=40",
        "ETKF N=40, half observed",
        "ETKF N=24",
        "EAKF N=7",
        "serial EnSRF N=28",
    ],
)
def test_a_filter_reaches_the_published_score(
    experiment: str, groups: Groups, published: float, tolerance: float, score: Score
) -> None:
    """And keeps to it: spread and innovations agree with the errors, nothing diverges."""
    run = score(experiment, groups)
    rmse = run["analysis_rmse"].attrs
    assert rmse["time_mean"] == pytest.approx(published, rel=tolerance)
    assert rmse["standard_error"] < 0.05 * rmse["time_mean"]
    assert rmse["maximum"] < (1.0 if experiment == "sakov2008" else 3.0)
    assert run["background_rmse"].attrs["time_mean"] > rmse["time_mean"]
    assert abs(run["analysis_bias"].attrs["time_mean"]) < 0.02
    spread = run["analysis_spread"].attrs["time_mean"]
    assert spread == pytest.approx(rmse["time_mean"], rel=0.25)
    assert run["innovation_chi2"].attrs["time_mean"] == pytest.approx(1, abs=0.1)
    assert int(run["observations_rejected"].sum()) == 0
    assert disagreements(run) == []


@pytest.mark.parametrize("members", [10, 20])
def test_adaptive_inflation_needs_no_tuning(members: int, score: Score) -> None:
    """It does as well as the best multiplicative inflation: 0.199 (N = 10) and 0.19 (N = 20)."""
    groups: Groups = {
        "cycle": {"analysis": "letkf"},
        "ensemble": {"members": members},
        "localisation": {"radius": 6.0},
        "adaptive_inflation": {"scheme": "miyoshi2011"},
    }
    run = score("sakov2008", nml.merge(groups, NEAR_TRUTH))
    rmse = run["analysis_rmse"].attrs
    assert rmse["time_mean"] < (0.202 if members == 10 else 0.196)
    assert rmse["maximum"] < 1.0
    assert 1.0 < run["inflation_mean"].attrs["time_mean"] < 1.1


@pytest.mark.parametrize(
    ("settings", "most", "spread"),
    [
        ({"q": 5e-5}, 0.175, 1.05),
        ({"q": 2e-4, "order": 1}, 0.19, 1.1),
        ({"q": 5e-6, "window": 10, "iterations": 1}, 0.160, 1.1),
    ],
    ids=["second order", "extended", "window"],
)
def test_one_state_with_its_covariance_needs_no_ensemble(
    settings: dict[str, Any], most: float, spread: float, score: Score
) -> None:
    """It has less error than DAPPER's filters on these observations, 0.18, and knows its error."""
    groups: Groups = {
        "cycle": {"analysis": "kalman_second_order"},
        "ensemble": {"members": 1},
        "kalman_second_order": {"initial_sd": 0.2, **settings},
    }
    run = score("sakov2008", nml.merge(NEAR_TRUTH, groups))
    rmse = run["analysis_rmse"].attrs
    assert rmse["time_mean"] < most
    assert rmse["maximum"] < 1.0
    assert 0.97 < run["analysis_spread"].attrs["time_mean"] / rmse["time_mean"] < spread
    assert run["innovation_chi2"].attrs["time_mean"] == pytest.approx(1, abs=0.02)
    assert disagreements(run) == []


def test_particles_follow_a_nearly_linear_system(score: Score) -> None:
    """No Gaussian is supposed, and more error is left; but nothing collapses or diverges."""
    particles: Groups = {
        "localisation": {"radius": 3.0},
        "local_particle_filter": {"alpha": 0.97},
        **NEAR_TRUTH,
    }
    run = score("sakov2008", settings("local_particle_filter", 40, 1.03, particles))
    rmse = run["analysis_rmse"].attrs
    assert rmse["time_mean"] == pytest.approx(0.318, abs=0.015)
    assert rmse["maximum"] < 2.0
    assert run["analysis_spread"].attrs["time_mean"] == pytest.approx(0.338, abs=0.015)
    assert disagreements(run) == []


def test_particles_beat_an_ensemble_kalman_filter_where_the_system_is_not_linear(
    run: Callable[..., Path], tmp_path: Path
) -> None:
    """Observed every 0.5, more than an error doubling time; 400 members (0.57 against 0.64)."""
    common: Groups = {
        "cycle": {"cycles": 1000, "interval": 0.5, "burn_in": 100},
        "output": {"fields_every": 0, "feedback": False},
        **NEAR_TRUTH,
    }
    kalman = settings("eakf", 400, 1.05, {"localisation": {"radius": 10.0}})
    particles = settings("local_particle_filter", 400, 1.0, {"localisation": {"radius": 5.0}})
    particles["local_particle_filter"] = {"alpha": 0.99}
    scores = []
    for groups in (particles, kalman):
        path = run(nml.merge(common, groups), tmp_path / groups["cycle"]["analysis"])
        with xr.open_dataset(path, engine="netcdf4") as dataset:
            scores.append(dataset["analysis_rmse"].attrs["time_mean"])
    assert scores[0] < 0.6 < scores[1] < 0.7


def test_a_free_run_knows_nothing(score: Score) -> None:
    """The mean of an ensemble of independent states is not far from afar."""
    run = score("sakov2008", {"cycle": {"analysis": "none"}, "ensemble": {"members": 40}})
    assert 3.6 < run["analysis_rmse"].attrs["time_mean"] < 3.75
    assert run["analysis_spread"].attrs["time_mean"] == pytest.approx(3.64, abs=0.05)


def test_the_climatology_is_at_its_level(score: Score) -> None:
    run = score("sakov2008", {"cycle": {"analysis": "climatology"}, "ensemble": {"members": 40}})
    assert run["analysis_rmse"].attrs["time_mean"] == pytest.approx(3.63, abs=0.05)
    assert run["analysis_spread"].attrs["time_mean"] == pytest.approx(3.63, abs=0.05)


def test_observations_help_where_there_are_none(score: Score) -> None:
    """Half of the points are observed: the other half is analysed too."""
    run = score("bocquet2010_half", nml.merge(ETKF_40, {"output": {"fields_every": 10}}))
    error = (run["analysis_mean"] - run["truth"])[BURN_IN // 10 :]
    rms = (error**2).mean("field_time") ** 0.5
    assert (rms[0::2] < rms[1::2].mean()).all()
    assert rms[1::2].mean() < 1.0
