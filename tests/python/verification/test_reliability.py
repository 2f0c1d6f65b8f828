"""Reliability of forecasts that are known to be perfect, or to be too sure."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from dacycle.errors import RunFileError
from dacycle.run_file import open_run
from dacycle.verification.reliability import reliability, reliability_curves

CYCLES, POINTS, MEMBERS = 500, 100, 8
ERRORS = 4


def forecasts(sure: bool) -> tuple[np.ndarray, np.ndarray, xr.Dataset]:
    """Probabilities and events `(time, x)`, and the counts of them as a run holds them."""
    random = np.random.default_rng(12)
    above = random.integers(0, MEMBERS + 1, (CYCLES, POINTS))
    probability = above / MEMBERS
    chance = 0.1 + 0.4 * probability if sure else probability
    events = random.random((CYCLES, POINTS)) < chance
    counts = np.stack([(above == k).sum(axis=1) for k in range(MEMBERS + 1)], axis=1)
    come = np.stack([((above == k) & events).sum(axis=1) for k in range(MEMBERS + 1)], axis=1)
    dimensions = ("time", "threshold", "members_above")
    run = xr.Dataset(
        {
            "event_forecasts": (dimensions, counts[:, None].astype(float)),
            "event_occurrences": (dimensions, come[:, None].astype(float)),
        },
        coords={"time": 0.05 * np.arange(1, CYCLES + 1), "threshold": [2.5]},
    )
    return probability, events, run


def test_perfect_forecasts_lie_on_the_diagonal_within_their_errors() -> None:
    (found,) = reliability(forecasts(sure=False)[2])
    inside = slice(1, -1)
    deviation = (found.frequency - found.probability)[inside] / found.standard_error[inside]
    assert np.abs(deviation).max() < ERRORS
    assert found.frequency[[0, -1]].tolist() == [0, 1]
    assert found.reliability.value < ERRORS * found.chance
    assert found.threshold == 2.5


@pytest.mark.parametrize("sure", [False, True])
def test_the_parts_are_those_of_the_definition(sure: bool) -> None:
    probability, events, run = forecasts(sure)
    (found,) = reliability(run)
    rate = events.mean()
    given = np.unique(probability)
    share = np.array([(probability == p).mean() for p in given])
    frequency = np.array([events[probability == p].mean() for p in given])
    expected = {
        "brier": np.mean((probability - events) ** 2),
        "reliability": np.sum(share * (given - frequency) ** 2),
        "resolution": np.sum(share * (frequency - rate) ** 2),
        "uncertainty": rate * (1 - rate),
    }
    for name, value in expected.items():
        assert getattr(found, name).value == pytest.approx(value, rel=1e-12), name
    parts = found.reliability.value - found.resolution.value + found.uncertainty.value
    assert found.brier.value == pytest.approx(parts, rel=1e-12)
    assert found.rate == pytest.approx(rate)


def test_forecasts_that_are_too_sure_are_found_out() -> None:
    (found,) = reliability(forecasts(sure=True)[2])
    assert found.reliability.value > 10 * found.reliability.standard_error
    assert found.reliability.value > 50 * found.chance


def test_standard_errors_are_the_scatter_of_parts_of_the_run() -> None:
    """Cycles are independent here: forty parts of a run scatter with sqrt(40) times its error."""
    run = forecasts(sure=True)[2]
    (whole,) = reliability(run)
    parts = [reliability(run.isel(time=slice(k, None, 40)))[0] for k in range(40)]
    for name in ("brier", "reliability", "resolution", "uncertainty"):
        scatter = np.std([getattr(one, name).value for one in parts]) / np.sqrt(40)
        assert getattr(whole, name).standard_error == pytest.approx(scatter, rel=0.4), name


def test_chance_is_what_perfect_forecasts_show() -> None:
    """Also where each probability is given a few times only: a hundred runs of two cycles."""
    run = forecasts(sure=False)[2]
    short = [reliability(run.isel(time=slice(k, k + 2)))[0] for k in range(0, 200, 2)]
    shown = np.mean([one.reliability.value for one in short])
    assert np.mean([one.chance for one in short]) == pytest.approx(shown, rel=0.25)


def test_classes_join_probabilities() -> None:
    probability, events, run = forecasts(sure=True)
    (found,) = reliability_curves(run, 5)
    parts = [(0,), (1, 2, 3), (4, 5), (6, 7), (8,)]
    for index, part in enumerate(parts):
        inside = np.isin(np.rint(MEMBERS * probability), part)
        assert found.probability[index] == pytest.approx(probability[inside].mean())
        assert found.frequency[index] == pytest.approx(events[inside].mean())
    (each,), (whole,) = reliability_curves(run, 50), reliability(run)
    np.testing.assert_array_equal(each.frequency, whole.frequency)
    np.testing.assert_array_equal(each.standard_error, whole.standard_error)
    with pytest.raises(ValueError, match="at least 3"):
        reliability_curves(run, 2)


def test_what_was_never_foretold_has_no_frequency() -> None:
    run = forecasts(sure=False)[2].copy(deep=True)
    for name in ("event_forecasts", "event_occurrences"):
        run[name][:, 0, 3] = 0
    (found,) = reliability(run)
    assert np.isnan(found.frequency[3])
    assert np.isfinite(found.reliability.standard_error)


def test_without_events_it_says_how_to_get_them(make_run: Callable[..., Path]) -> None:
    with open_run(make_run()) as run, pytest.raises(RunFileError, match="set thresholds"):
        reliability(run)
