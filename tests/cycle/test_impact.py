"""The impact of observations on forecasts: what the output holds, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from dacycle import namelist as nml
from dacycle.model.lorenz96 import step

Groups = dict[str, dict[str, Any]]
Run = Callable[..., Path]
Refused = Callable[..., str]

N, CYCLES, EVERY, STEPS = 20, 60, 2, 4
IMPACT: Groups = {
    "cycle": {"cycles": CYCLES, "burn_in": 20, "analysis": "var3d"},
    "lorenz96": {"n": N},
    "ensemble": {"members": 1, "initial": "truth", "initial_sd": 0.5},
    "observations": {"stride": 0.8, "kinds": ["value", "average"], "average_half_width": 1.5},
    "impact": {"every": EVERY, "lead": 0.2, "regions": [0, 9, 10, 19], "denial": True},
}


@pytest.fixture(scope="module")
def judged(run: Run, tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    return xr.open_dataset(run(IMPACT, tmp_path_factory.mktemp("judged")))


def due(judged: xr.Dataset) -> list[int]:
    """Records of the cycles that are judged, whose forecasts the fields can verify."""
    return list(range(EVERY - 1, CYCLES - STEPS, EVERY))


def test_errors_are_those_of_the_forecasts(judged: xr.Dataset) -> None:
    """From background and analysis in the file, by the Python model, against its truth."""
    for record in due(judged):
        truth = judged.truth.values[record + STEPS]
        for state in ("background", "analysis"):
            x = judged[f"{state}_mean"].values[record : record + 1]
            for _ in range(STEPS):
                x = step(x, 8.0, 0.05)
            error = judged[f"impact_{state}_error"].values[record // EVERY]
            assert error == pytest.approx(np.mean((x[0] - truth) ** 2), rel=1e-9)


def test_tables_are_sums_of_the_observations(judged: xr.Dataset) -> None:
    time = judged.obs_time.values
    for record in range(CYCLES):
        seen = judged.isel(observation=np.isclose(time, 0.05 * (record + 1)))
        impact = seen.obs_impact.values
        if (record + 1) % EVERY:
            assert np.isnan(impact).all()
            continue
        told = judged.isel(impact_time=record // EVERY)
        assert float(told.impact_estimated) == pytest.approx(impact.sum(), rel=1e-12)
        assert float(told.impact_beneficial) == (impact < 0).mean()
        for k, kind in enumerate(judged.impact_kind.values):
            own = impact[seen.obs_kind.values == kind]
            assert float(told.impact_of_kind[k]) == pytest.approx(own.sum(), abs=1e-13)
            assert int(told.observations_of_kind[k]) == own.size
        for r, first in enumerate((0, 10)):
            own = impact[(seen.obs_position.values // 10 * 10) == first]
            assert float(told.impact_of_region[r]) == pytest.approx(own.sum(), abs=1e-13)


def test_the_estimate_follows_the_actual_change(judged: xr.Dataset) -> None:
    difference = judged.impact_analysis_error - judged.impact_background_error
    np.testing.assert_array_equal(judged.impact_actual, difference)
    actual, estimate = judged.impact_actual.values, judged.impact_estimated.values
    assert np.corrcoef(actual, estimate)[0, 1] > 0.95
    assert 0.8 < estimate.sum() / actual.sum() < 1.2


def test_an_arc_is_judged_by_its_own_error(run: Run, judged: xr.Dataset, tmp_path: Path) -> None:
    """Arcs that part the circle: their mean is the whole."""
    arcs = []
    for k, norm in enumerate(([15, 4], [5, 14])):
        groups = nml.merge(IMPACT, {"impact": {"norm": norm}})
        arcs.append(xr.open_dataset(run(groups, tmp_path / str(k))))
    for name in ("impact_actual", "impact_estimated", "obs_impact"):
        mean = 0.5 * (arcs[0][name].values + arcs[1][name].values)
        np.testing.assert_allclose(mean, judged[name].values, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ({"cycle": {"analysis": "letkf"}, "ensemble": {"members": 4}}, ["&impact", "not used"]),
        ({"ensemble": {"members": 4}}, ["&impact every = 2", "members = 4"]),
        (
            {
                "truth": {"source": "none"},
                "observations": {"source": "file", "file": "o.nc"},
                "ensemble": {"initial": "climatology"},
            },
            ["&impact every = 2", "no truth"],
        ),
        ({"impact": {"lead": 0.12}}, ["&impact lead = 0.12", "interval = 0.05"]),
        ({"impact": {"every": 0}}, ["&impact", "is not used with every = 0"]),
        ({"impact": {"every": 61}}, ["&impact every = 61", "burn_in = 20"]),
        ({"impact": {"regions": [0, 9, 10]}}, ["&impact regions", "pairs"]),
        ({"impact": {"norm": [0, 9, 10, 19]}}, ["&impact norm", "two are needed"]),
        ({"impact": {"norm": [0, 20]}}, ["&impact norm = 20", "0 to 19"]),
        ({"impact": {"gradient_reduction": 0.0}}, ["&impact gradient_reduction"]),
    ],
    ids=str,
)
def test_what_cannot_be_judged_is_refused(
    groups: Groups, words: list[str], refused: Refused
) -> None:
    merged = nml.merge(IMPACT, groups)
    if "truth" in groups:
        merged["observations"] = groups["observations"]
        del merged["ensemble"]["initial_sd"]
    refused(nml.text(merged), words)


def test_denial_needs_regions(refused: Refused) -> None:
    groups = nml.merge(IMPACT, {})
    del groups["impact"]["regions"]
    refused(nml.text(groups), ["&impact denial", "needs regions"])


def test_a_truth_that_ends_leaves_the_last_forecasts_out(
    run: Run, judged: xr.Dataset, tmp_path: Path, refused: Refused
) -> None:
    with xr.open_dataset(judged.encoding["source"]) as ran:
        state = ran.truth.values
    records = np.concatenate([state[:1], state])
    xr.Dataset(
        {"state": (("time", "x"), records), "time": ("time", 0.05 * np.arange(CYCLES + 1))}
    ).to_netcdf(tmp_path / "truth.nc")
    groups = nml.merge(IMPACT, {"truth": {"source": "file", "file": str(tmp_path / "truth.nc")}})
    with xr.open_dataset(run(groups, tmp_path / "file")) as ran:
        known = ~np.isnan(ran.impact_actual.values)
        assert known.sum() == (CYCLES - STEPS) // EVERY
        assert known[: known.sum()].all()
        assert np.isfinite(float(ran.impact_actual.attrs["time_mean"]))
        last = ran.obs_time.values > 0.05 * (CYCLES - STEPS) + 0.01
        assert np.isnan(ran.obs_impact.values[last]).all()
    longer = nml.merge(groups, {"impact": {"lead": 2.0}})
    refused(nml.text(longer), ["&impact lead", "cannot be verified", "ends at cycle 60"])
