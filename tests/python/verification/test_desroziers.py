"""Diagnosed error variances where the true ones are known."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from dacycle.errors import RunFileError
from dacycle.run_file import open_run
from dacycle.verification.desroziers import desroziers, kinds, was_assimilated

CYCLES, N = 1500, 12
ERRORS = 4


def run_of(sd_o: float, sd_b: float, stated_o: float, stated_b: float) -> xr.Dataset:
    """A scalar analysis at each of N points with the stated variances; errors with the true ones.

    Kind 2, on the second half of the circle, has observations of twice the error, and says so.
    """
    random = np.random.default_rng(5)
    truth = random.normal(2, 3, CYCLES * N)
    position = np.tile(np.arange(float(N)), CYCLES)
    factor = np.where(position < N / 2, 1.0, 2.0)
    value = truth + factor * sd_o * random.normal(size=truth.size)
    background = truth + sd_b * random.normal(size=truth.size)
    gain = stated_b**2 / (stated_b**2 + (factor * stated_o) ** 2)
    time = 0.05 * np.arange(1, CYCLES + 1)
    qc = np.where(np.arange(truth.size) % 11 == 0, 7, 0)
    columns = {
        "time": np.repeat(time, N),
        "position": position,
        "kind": np.where(position < N / 2, 1, 2),
        "value": np.where(qc == 7, 1e6, value),
        "error_sd": factor * stated_o,
        "background": background,
        "background_sd": np.full(truth.size, stated_b),
        "analysis": background + gain * (value - background),
        "qc": qc,
    }
    return xr.Dataset(
        {f"obs_{name}": ("observation", column) for name, column in columns.items()},
        coords={"time": time, "x": np.arange(N)},
    )


def test_right_statistics_are_confirmed() -> None:
    run = run_of(1.0, 0.5, 1.0, 0.5)
    found = desroziers(run, kind=1)
    assert found.observations == np.sum((run["obs_qc"] == 0) & (run["obs_kind"] == 1))
    for one in (found.observation_ratio, found.background_ratio, found.innovation_ratio):
        assert abs(one.value - 1) < ERRORS * one.standard_error
        assert one.standard_error < 0.05
    expected = {
        "observation_variance": 1.0,
        "background_variance": 0.25,
        "analysis_variance": 1 / (1 / 0.25 + 1),
        "innovation": 0.0,
    }
    for name, value in expected.items():
        one = getattr(found, name)
        assert abs(one.value - value) < ERRORS * one.standard_error, name
    assert found.stated_background_variance.value == pytest.approx(0.25)


def test_wrong_statistics_give_what_theory_says() -> None:
    """With a gain K: E[d_oa d_ob] = (1 - K) (B + R), E[d_ab d_ob] = K (B + R)."""
    found = desroziers(run_of(1.0, 0.5, 1.0, 0.25), kind=1)
    gain = 0.25**2 / (0.25**2 + 1)
    total = 1 + 0.25
    for one, value in (
        (found.observation_variance, (1 - gain) * total),
        (found.background_variance, gain * total),
        (found.innovation_ratio, total / (1 + 0.25**2)),
    ):
        assert abs(one.value - value) < ERRORS * one.standard_error
    assert found.background_ratio.value > 1 + ERRORS * found.background_ratio.standard_error


def test_kinds_and_regions_are_taken_apart() -> None:
    run = run_of(1.0, 0.5, 1.0, 0.5)
    assert kinds(run) == [1, 2]
    by_kind, by_region = desroziers(run, kind=2), desroziers(run, region=(N / 2, N - 1))
    assert by_kind == by_region
    assert by_kind.stated_observation_variance.value == pytest.approx(4)
    round_the_circle = desroziers(run, region=(N - 1, 0))
    ends = np.isin(run["obs_position"], [0, N - 1]) & (run["obs_qc"] == 0)
    assert round_the_circle.observations == ends.sum()


def test_what_is_not_there_is_refused(make_run: Callable[..., Path]) -> None:
    with open_run(make_run(feedback=False)) as run:
        assert not was_assimilated(run)
        assert kinds(run) == []
        with pytest.raises(RunFileError, match=r"feedback = \.true\."):
            desroziers(run)
    with open_run(make_run()) as run:
        assert was_assimilated(run)
        with pytest.raises(RunFileError, match="no such observation"):
            desroziers(run, kind=5)
    with open_run(make_run(cycles=20, burn_in=20)) as run:
        assert not was_assimilated(run)
