"""Rank histograms of ensembles whose reliability is known."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from dacycle.errors import RunFileError
from dacycle.run_file import open_run
from dacycle.verification.ranks import rank_histogram

CYCLES, POINTS, MEMBERS = 400, 200, 7
ERRORS = 4


def run_of(members: np.ndarray, truth: np.ndarray) -> xr.Dataset:
    """Members `(time, member, x)`, truth `(time, x)`."""
    rank = (members < truth[:, None]).sum(axis=1)
    counts = np.stack([(rank == k).sum(axis=1) for k in range(MEMBERS + 1)], axis=1)
    return xr.Dataset(
        {"background_ranks": (("time", "rank"), counts.astype(float))},
        coords={"time": 0.05 * np.arange(1, CYCLES + 1)},
    )


def draw(correlated: bool) -> tuple[np.ndarray, np.ndarray]:
    """Members and truth from one normal distribution; alike at all points where correlated."""
    random = np.random.default_rng(3)
    noise = random.normal(size=(CYCLES, MEMBERS + 1, POINTS))
    if correlated:
        noise = 0.3 * noise + random.normal(size=(CYCLES, MEMBERS + 1, 1))
    return noise[:, 1:], noise[:, 0]


@pytest.mark.parametrize("correlated", [False, True])
def test_one_distribution_is_flat_within_its_error(correlated: bool) -> None:
    found = rank_histogram(run_of(*draw(correlated)), "background")
    assert found.counts.sum() == CYCLES * POINTS
    assert found.frequency.sum() == pytest.approx(1)
    deviation = (found.frequency - 1 / (MEMBERS + 1)) / found.standard_error
    assert np.abs(deviation).max() < ERRORS
    for one in (found.bias, found.dispersion):
        assert abs(one.value) < ERRORS * one.standard_error
    chance = np.mean(((MEMBERS + 1) * found.standard_error) ** 2)
    assert abs(found.departure.value) < ERRORS * chance


def test_points_that_are_alike_tell_less() -> None:
    apart, alike = (rank_histogram(run_of(*draw(one)), "background") for one in (False, True))
    assert alike.standard_error.mean() > 3 * apart.standard_error.mean()


@pytest.mark.parametrize(
    ("spread", "shift", "dispersion", "bias"), [(0.5, 0, 1, 0), (2, 0, -1, 0), (1, 0.5, 0, -1)]
)
def test_its_shape_tells_what_is_wrong(
    spread: float, shift: float, dispersion: int, bias: int
) -> None:
    members, truth = draw(correlated=False)
    found = rank_histogram(run_of(spread * members + shift, truth), "background")
    assert found.departure.value > ERRORS * found.departure.standard_error
    assert np.sign(round(found.bias.value, 1)) == bias
    if dispersion:
        assert np.sign(found.dispersion.value) == dispersion


def test_the_burn_in_is_left_out(make_run: Callable[..., Path]) -> None:
    with open_run(make_run(verification=True, burn_in=50)) as run:
        found = rank_histogram(run, "analysis")
        assert found.counts.sum() == run["analysis_ranks"].values[50:].sum()


def test_without_ranks_it_says_how_to_get_them(make_run: Callable[..., Path]) -> None:
    with (
        open_run(make_run()) as run,
        pytest.raises(RunFileError, match=r"rank_histogram = \.true\."),
    ):
        rank_histogram(run, "background")
