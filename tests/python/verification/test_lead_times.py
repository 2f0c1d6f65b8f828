"""Skill by lead time."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dacycle.errors import RunFileError
from dacycle.run_file import open_run
from dacycle.verification.lead_times import lead_times
from dacycle.verification.scores import burn_in


def test_scores_are_the_means_of_the_forecasts(make_run: Callable[..., Path]) -> None:
    with open_run(make_run(verification=True)) as run:
        found = lead_times(run)
        rows = run["forecast_rmse"].values[burn_in(run) // 10 :]
    np.testing.assert_allclose(found.rmse, rows.mean(axis=0))
    assert found.spread is not None
    assert found.climatology == pytest.approx(3.6, rel=0.02)


def test_skill_ends_where_the_error_is_half_the_climatology(make_run: Callable[..., Path]) -> None:
    """0.2 of it at lead 1, 0.7 at lead 2: half of it at 1.6."""
    with open_run(make_run(verification=True)) as run:
        found = lead_times(run)
    assert found.skill_time.value == pytest.approx(1.6, abs=0.03)
    slope = found.rmse[2] - found.rmse[1]
    smallest, largest = np.sort(found.rmse_error[1:3]) / slope
    assert smallest < found.skill_time.standard_error < largest


def test_a_level_that_is_not_reached_has_no_time(make_run: Callable[..., Path]) -> None:
    with open_run(make_run(verification=True)) as run:
        for part in (slice(0, 2), slice(2, None)):
            shown = run.isel(lead=part)
            for variable in shown.data_vars.values():
                if "lead" in variable.dims:
                    for name in ("time_mean", "standard_error", "maximum"):
                        variable.attrs[name] = variable.attrs[name][part]
            found = lead_times(shown)
            assert np.isnan([found.skill_time.value, found.skill_time.standard_error]).all()


def test_without_forecasts_it_says_how_to_get_them(make_run: Callable[..., Path]) -> None:
    with open_run(make_run()) as run, pytest.raises(RunFileError, match="set lead_times"):
        lead_times(run)
