"""The output file: what stands in it, for whom, and that its parts agree with one another."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import dacycle
from dacycle import namelist as nml
from dacycle.verification.scores import SCORES, disagreements

Groups = dict[str, dict[str, Any]]
Run = Callable[..., Path]

CYCLES, N, MEMBERS, FIELDS_EVERY, MEMBERS_EVERY, BURN_IN = 120, 40, 12, 7, 50, 30
ROUNDING = 1e-12
GROUPS: Groups = {
    "cycle": {"title": "it's a test", "cycles": CYCLES, "burn_in": BURN_IN},
    "lorenz96": {"n": N},
    "ensemble": {"members": MEMBERS},
    "observations": {"stride": 1.7, "offset": 0.3, "gross_error_limit": 2.0},
    "output": {"fields_every": FIELDS_EVERY, "members_every": MEMBERS_EVERY},
}
EACH_CYCLE: Groups = nml.merge(GROUPS, {"output": {"fields_every": 1, "members_every": 1}})
FIELDS = ("background_mean", "background_sd", "analysis_mean", "analysis_sd", "truth")
FEEDBACK = (
    *("time", "position", "kind", "row", "value", "error_sd"),
    *("background", "background_sd", "analysis", "qc"),
)


@pytest.fixture(scope="module")
def output(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Groups], xr.Dataset]:
    """`output(groups)`: the output of a run on two ranks, as `dacycle.open_run` opens it."""

    def load(groups: Groups) -> xr.Dataset:
        path = run(groups, tmp_path_factory.mktemp("output"), 2)
        with dacycle.open_run(path) as dataset:
            return dataset.load()

    return load


@pytest.fixture(scope="module")
def sampled(output: Callable[[Groups], xr.Dataset]) -> xr.Dataset:
    return output(GROUPS)


@pytest.fixture(scope="module")
def complete(output: Callable[[Groups], xr.Dataset]) -> xr.Dataset:
    return output(EACH_CYCLE)


def test_dimensions(sampled: xr.Dataset) -> None:
    positions = np.arange(0.3, N, 1.7)
    assert dict(sampled.sizes) == {
        "time": CYCLES,
        "x": N,
        "field_time": CYCLES // FIELDS_EVERY,
        "member_time": CYCLES // MEMBERS_EVERY,
        "member": MEMBERS,
        "observation": CYCLES * positions.size,
    }
    for name in SCORES:
        assert sampled[name].dims == ("time",)
    for name in FIELDS:
        assert sampled[name].dims == ("field_time", "x")
    for name in FEEDBACK:
        assert sampled[f"obs_{name}"].dims == ("observation",)
    assert sampled["analysis_members"].dims == ("member_time", "member", "x")


def test_coordinates(sampled: xr.Dataset) -> None:
    named = {"time", "x", "field_time", "member_time"}
    assert set(sampled.coords) == named | {"obs_time", "obs_position"}
    cycles = np.arange(1, CYCLES + 1)
    np.testing.assert_allclose(sampled["time"], 0.05 * cycles)
    np.testing.assert_allclose(sampled["field_time"], sampled["time"][FIELDS_EVERY - 1 :: 7])
    np.testing.assert_allclose(sampled["member_time"], [2.5, 5.0])
    np.testing.assert_array_equal(sampled["x"], np.arange(N))


def test_attributes(sampled: xr.Dataset) -> None:
    assert sampled.attrs["Conventions"] == "CF-1.10"
    assert sampled.attrs["title"] == "it's a test"
    assert sampled.attrs["source"].startswith("dacycle 0.")
    assert sampled.attrs["command"] == "da_cycle run.nml"
    for name, variable in sampled.variables.items():
        assert variable.attrs["long_name"], name
        assert variable.attrs["units"] == "1", name
    assert sampled["x"].attrs["axis"] == "X"
    flags = dict(
        zip(
            sampled["obs_qc"].attrs["flag_meanings"].split(),
            sampled["obs_qc"].attrs["flag_values"],
            strict=True,
        )
    )
    assert flags["assimilated"] == 0
    assert flags["gross_error"] == 7


def test_all_values_are_there(sampled: xr.Dataset) -> None:
    for name, variable in sampled.variables.items():
        assert np.isfinite(variable).all(), name
        assert np.abs(variable).max() < 1e6, name


def test_fields_are_those_of_their_cycles(sampled: xr.Dataset, complete: xr.Dataset) -> None:
    for name in FIELDS:
        np.testing.assert_array_equal(sampled[name], complete[name][FIELDS_EVERY - 1 :: 7])
    np.testing.assert_array_equal(
        sampled["analysis_members"], complete["analysis_members"][MEMBERS_EVERY - 1 :: 50]
    )
    for name in (*SCORES, *(f"obs_{name}" for name in FEEDBACK)):
        np.testing.assert_array_equal(sampled[name], complete[name])


@pytest.mark.parametrize("state", ["background", "analysis"])
def test_scores_follow_from_the_fields(state: str, complete: xr.Dataset) -> None:
    error = complete[f"{state}_mean"] - complete["truth"]
    for name, field in (
        ("rmse", np.sqrt((error**2).mean("x"))),
        ("bias", error.mean("x")),
        ("spread", np.sqrt((complete[f"{state}_sd"] ** 2).mean("x"))),
    ):
        np.testing.assert_allclose(complete[f"{state}_{name}"], field, atol=ROUNDING)


def test_statistics_follow_from_the_series(complete: xr.Dataset) -> None:
    assert disagreements(complete) == []
    assert {complete[name].attrs["burn_in"] for name in SCORES} == {BURN_IN}


def test_mean_and_spread_follow_from_the_members(complete: xr.Dataset) -> None:
    members = complete["analysis_members"].values
    np.testing.assert_allclose(complete["analysis_mean"], members.mean(axis=1), atol=ROUNDING)
    np.testing.assert_allclose(complete["analysis_sd"], members.std(axis=1, ddof=1), atol=ROUNDING)


@pytest.mark.parametrize("state", ["background", "analysis"])
def test_feedback_follows_from_the_fields(state: str, complete: xr.Dataset) -> None:
    """The observation operator: linear interpolation on the circle."""
    position = complete["obs_position"].values
    left = position.astype(int)
    weight = position - left
    cycle = np.rint(complete["obs_time"].values / 0.05).astype(int) - 1
    field = complete[f"{state}_mean"].values
    expected = (1 - weight) * field[cycle, left] + weight * field[cycle, (left + 1) % N]
    np.testing.assert_allclose(complete[f"obs_{state}"], expected, atol=ROUNDING)


def test_observations_are_the_truth_and_an_error(complete: xr.Dataset) -> None:
    position = complete["obs_position"].values
    left = position.astype(int)
    weight = position - left
    cycle = np.rint(complete["obs_time"].values / 0.05).astype(int) - 1
    truth = complete["truth"].values
    exact = (1 - weight) * truth[cycle, left] + weight * truth[cycle, (left + 1) % N]
    error = complete["obs_value"].values - exact
    rows = error.size
    assert abs(error.mean()) < 4 / np.sqrt(rows)
    assert abs(error.var() - 1) < 4 * np.sqrt(2 / rows)
    np.testing.assert_array_equal(complete["obs_row"], np.arange(rows))
    assert (complete["obs_error_sd"] == 1).all()
    assert (complete["obs_kind"] == 1).all()


def test_innovation_statistics_follow_from_the_feedback(complete: xr.Dataset) -> None:
    used = complete["obs_qc"].values.reshape(CYCLES, -1) == 0
    assert not used.all()
    variance = complete["obs_background_sd"] ** 2 + complete["obs_error_sd"] ** 2
    squares = (complete["obs_value"] - complete["obs_background"]) ** 2 / variance
    squares = squares.values.reshape(CYCLES, -1)
    chi2 = np.where(used, squares, 0).sum(axis=1) / used.sum(axis=1)
    np.testing.assert_allclose(complete["innovation_chi2"], chi2, rtol=1e-12)
    np.testing.assert_array_equal(complete["observations_used"], used.sum(axis=1))
    np.testing.assert_array_equal(complete["observations_rejected"], (~used).sum(axis=1))


def test_without_a_truth_its_scores_are_missing(
    output: Callable[[Groups], xr.Dataset], make_observations: Callable[..., Path]
) -> None:
    path = make_observations(cycles=20, n=8)
    run = output(
        {
            "cycle": {"cycles": 20, "burn_in": 5},
            "lorenz96": {"n": 8},
            "truth": {"source": "none"},
            "observations": {"source": "file", "file": str(path)},
        }
    )
    assert "truth" not in run
    for state in ("background", "analysis"):
        assert np.isnan(run[f"{state}_rmse"]).all()
        assert np.isnan(run[f"{state}_bias"].attrs["time_mean"])
        assert np.isfinite(run[f"{state}_spread"]).all()


def test_what_is_not_wanted_is_not_there(output: Callable[[Groups], xr.Dataset]) -> None:
    run = output(
        nml.merge(GROUPS, {"output": {"fields_every": 0, "members_every": 0, "feedback": False}})
    )
    assert set(run.variables) == {"time", "x", *SCORES}
