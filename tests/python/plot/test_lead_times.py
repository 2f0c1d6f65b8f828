"""The picture of skill by lead time."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from dacycle.plot.lead_times import skill
from dacycle.run_file import open_run
from dacycle.verification.lead_times import lead_times
from dacycle.verification.scores import with_error


def test_error_spread_and_the_time_they_are_good_for(make_run: Callable[..., Path]) -> None:
    with open_run(make_run(verification=True)) as run:
        drawn = skill(run)
        found = lead_times(run)
    errors, correlation = drawn.axes
    for container, values in zip(errors.containers, (found.rmse, found.spread), strict=True):
        np.testing.assert_array_equal(container.lines[0].get_ydata(), values)
    time = found.skill_time
    assert errors.get_title().endswith(with_error(time.value, time.standard_error))
    shown = correlation.containers[0].lines[0].get_ydata()
    np.testing.assert_array_equal(shown, found.correlation)


def test_single_forecasts_have_no_spread(make_run: Callable[..., Path]) -> None:
    with open_run(make_run(verification=True)) as run:
        drawn = skill(run.drop_vars("forecast_spread"))
    assert len(drawn.axes[0].containers) == 1
