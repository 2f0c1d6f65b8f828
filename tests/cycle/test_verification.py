"""What `&verification` writes, computed again from members and fields by other formulas."""

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

CYCLES, BURN_IN, MEMBERS, N = 120, 20, 9, 21
EVERY = 5
LEADS = np.array([1, 4, 30])
THRESHOLDS = np.array([0.0, 4.0])
REGIONS = {(0, 9): range(10), (17, 2): [17, 18, 19, 20, 0, 1, 2], (5, 5): [5], (8, 7): range(N)}
ROUNDING = 1e-13
GROUPS: Groups = {
    "cycle": {"cycles": CYCLES, "burn_in": BURN_IN, "analysis": "letkf"},
    "lorenz96": {"n": N},
    "ensemble": {"members": MEMBERS},
    "output": {"members_every": 1},
    "verification": {
        "crps": True,
        "rank_histogram": True,
        "thresholds": list(THRESHOLDS),
        "regions": [end for pair in REGIONS for end in pair],
        "lead_times": list(0.05 * LEADS),
        "forecasts_every": EVERY,
    },
}


@pytest.fixture(scope="module")
def load(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Groups], xr.Dataset]:
    """`load(groups)`: the output of a run on two ranks."""

    def output(groups: Groups) -> xr.Dataset:
        path = run(groups, tmp_path_factory.mktemp("verification"), 2)
        with xr.open_dataset(path, engine="netcdf4") as dataset:
            return dataset.load()

    return output


@pytest.fixture(scope="module")
def verified(load: Callable[[Groups], xr.Dataset]) -> xr.Dataset:
    return load(GROUPS)


@pytest.fixture(scope="module")
def next_background(verified: xr.Dataset) -> np.ndarray:
    """Members of the backgrounds after the first: the model's step from the analyses before."""
    members = verified["analysis_members"].values[:-1]
    return np.stack([step(cycle, 8.0, 0.05) for cycle in members])


def distances(members: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean distance of members from the truth, and sum of that of all pairs: `(time,)` each."""
    from_truth = np.abs(members - truth[:, None]).mean(axis=(1, 2))
    pairs = np.abs(members[:, :, None] - members[:, None]).sum(axis=(1, 2)).mean(axis=-1)
    return from_truth, pairs


def test_crps(verified: xr.Dataset, next_background: np.ndarray) -> None:
    truth = verified["truth"].values
    for state, members, first in (
        ("analysis", verified["analysis_members"].values, 0),
        ("background", next_background, 1),
    ):
        from_truth, pairs = distances(members, truth[first:])
        for name, weight in (("crps", MEMBERS**2), ("fair_crps", MEMBERS * (MEMBERS - 1))):
            np.testing.assert_allclose(
                verified[f"{state}_{name}"].values[first:],
                from_truth - pairs / (2 * weight),
                rtol=0,
                atol=ROUNDING,
            )


def test_ranks(verified: xr.Dataset, next_background: np.ndarray) -> None:
    truth = verified["truth"].values
    for state, members, first in (
        ("analysis", verified["analysis_members"].values, 0),
        ("background", next_background, 1),
    ):
        rank = (members < truth[first:, None]).sum(axis=1)
        counts = np.stack([(rank == k).sum(axis=1) for k in range(MEMBERS + 1)], axis=1)
        np.testing.assert_array_equal(verified[f"{state}_ranks"].values[first:], counts)
        np.testing.assert_allclose(
            verified[f"{state}_rank_bias"].values[first:],
            (rank / MEMBERS).mean(axis=1) - 0.5,
            atol=ROUNDING,
        )
        flat = np.var(np.arange(MEMBERS + 1))
        np.testing.assert_allclose(
            verified[f"{state}_rank_dispersion"].values[first:],
            ((rank - MEMBERS / 2) ** 2).mean(axis=1) / flat - 1,
            atol=ROUNDING,
        )


def test_events(verified: xr.Dataset, next_background: np.ndarray) -> None:
    truth = verified["truth"].values[1:]
    for index, threshold in enumerate(THRESHOLDS):
        above = (next_background > threshold).sum(axis=1)
        happens = truth > threshold
        for k in range(MEMBERS + 1):
            at = {"threshold": index, "members_above": k}
            np.testing.assert_array_equal(
                verified["event_forecasts"].isel(at).values[1:], (above == k).sum(axis=1)
            )
            np.testing.assert_array_equal(
                verified["event_occurrences"].isel(at).values[1:],
                ((above == k) & happens).sum(axis=1),
            )
        np.testing.assert_allclose(
            verified["brier_score"].values[1:, index],
            ((above / MEMBERS - happens) ** 2).mean(axis=1),
            atol=ROUNDING,
        )


def test_regions(verified: xr.Dataset) -> None:
    """The last region is the whole circle, which has the scores of the run."""
    for state in ("background", "analysis"):
        error = (verified[f"{state}_mean"] - verified["truth"]).values
        variance = verified[f"{state}_sd"].values ** 2
        for index, points in enumerate(REGIONS.values()):
            expected = {
                "rmse": np.sqrt(np.mean(error[:, points] ** 2, axis=1)),
                "bias": error[:, points].mean(axis=1),
                "spread": np.sqrt(variance[:, points].mean(axis=1)),
            }
            for name, series in expected.items():
                found = verified[f"{state}_region_{name}"].values[:, index]
                np.testing.assert_allclose(found, series, atol=ROUNDING)
        whole = verified[f"{state}_region_rmse"].values[:, -1]
        np.testing.assert_array_equal(whole, verified[f"{state}_rmse"].values)
    assert list(zip(verified["region_first"], verified["region_last"], strict=True)) == list(
        REGIONS
    )


def test_regions_without_a_truth_have_a_spread(
    make_observations: Callable[..., Path], load: Callable[[Groups], xr.Dataset]
) -> None:
    source = {"source": "file", "file": str(make_observations(cycles=CYCLES, n=N))}
    groups = {"truth": {"source": "none"}, "observations": source}
    found = load(nml.merge({**GROUPS, "verification": {"regions": [0, N - 1]}}, groups))
    assert "analysis_region_rmse" not in found
    np.testing.assert_array_equal(found["analysis_region_spread"][:, 0], found["analysis_spread"])


def test_forecasts_from_the_mean(verified: xr.Dataset) -> None:
    """Against the model in Python, from the file's analysis means and truth."""
    for row in range(CYCLES // EVERY):
        cycle = (row + 1) * EVERY
        x = verified["analysis_mean"].values[cycle - 1]
        truth = verified["truth"].values[cycle - 1]
        for ahead in range(1, LEADS.max() + 1):
            x = step(x, 8.0, 0.05)
            truth = step(truth, 8.0, 0.05)
            if ahead not in LEADS:
                continue
            scores = verified.isel(forecast_time=row, lead=LEADS.tolist().index(ahead))
            expected = {
                "rmse": np.sqrt(np.mean((x - truth) ** 2)),
                "correlation": np.corrcoef(x, truth)[0, 1],
                "truth_sd": truth.std(),
            }
            for name, value in expected.items():
                assert scores[f"forecast_{name}"].item() == pytest.approx(value, rel=1e-9)
    np.testing.assert_allclose(verified["forecast_time"], 0.05 * EVERY * np.arange(1, 25))
    np.testing.assert_allclose(verified["lead"], 0.05 * LEADS)
    assert "forecast_spread" not in verified


def test_an_ensemble_forecast_to_the_next_cycle_is_its_background(
    load: Callable[[Groups], xr.Dataset],
) -> None:
    groups = {"verification": {"lead_times": 0.05, "forecasts_every": 7, "forecast": "ensemble"}}
    found = load(nml.merge({**GROUPS, "verification": {}}, groups))
    for name in ("rmse", "spread"):
        np.testing.assert_array_equal(
            found[f"forecast_{name}"].values[:, 0], found[f"background_{name}"].values[7::7]
        )


def test_means_are_those_of_the_rows_after_burn_in(verified: xr.Dataset) -> None:
    for name, first in (("background_ranks", BURN_IN), ("forecast_rmse", BURN_IN // EVERY)):
        rows = verified[name].values[first:]
        np.testing.assert_allclose(verified[name].time_mean, rows.mean(axis=0))
        np.testing.assert_allclose(verified[name].maximum, np.abs(rows).max(axis=0))
        assert verified[name].burn_in == BURN_IN


def truth_file(make_truth: Callable[..., Path], cycles: int) -> Groups:
    state = 2.3 + 3.6 * np.sin(0.3 * np.arange(cycles + 1)[:, None] + np.arange(N))
    path = make_truth(records=cycles + 1, n=N, state=state)
    leads = {"lead_times": [0.05, 0.5], "forecasts_every": EVERY}
    return nml.merge(
        {**GROUPS, "verification": leads}, {"truth": {"source": "file", "file": str(path)}}
    )


def test_a_truth_file_is_looked_at_ahead_as_far_as_it_goes(
    make_truth: Callable[..., Path], load: Callable[[Groups], xr.Dataset]
) -> None:
    """Of 24 forecasts, the last has no truth 0.05 ahead, the last two have none 0.5 ahead."""
    short = load(truth_file(make_truth, CYCLES))
    rmse = short["forecast_rmse"].values
    np.testing.assert_array_equal(np.isnan(rmse).sum(axis=0), [1, 2])
    assert np.isnan(rmse[-2:, 1]).all()
    known = [np.mean(rmse[BURN_IN // EVERY : -missing, k]) for k, missing in enumerate((1, 2))]
    np.testing.assert_allclose(short["forecast_rmse"].time_mean, known)
    longer = load(truth_file(make_truth, CYCLES + 10))["forecast_rmse"].values
    assert np.isfinite(longer).all()
    np.testing.assert_array_equal(longer[:-2], rmse[:-2])


def test_a_truth_file_that_ends_too_soon(
    make_truth: Callable[..., Path], refused: Callable[..., str]
) -> None:
    make_truth(records=11, n=8)
    refused(
        "&cycle cycles = 10, burn_in = 2 /\n&lorenz96 n = 8 /\n"
        "&truth source = 'file', file = 'truth.nc' /\n"
        "&verification lead_times = 0.4, forecasts_every = 2 /",
        ["&verification lead_times:", "from cycle 4,", "to 0.4 ahead", "truth.nc ends at cycle 10"],
    )
