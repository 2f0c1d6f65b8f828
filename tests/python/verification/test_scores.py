"""What a run file states about its scores, and the check of it."""

from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from dacycle.run_file import open_run
from dacycle.verification.scores import (
    SCORES,
    burn_in,
    disagreements,
    read_scores,
    with_error,
)

MakeRun = Callable[..., Path]


def test_scores_are_read_in_order(make_run: MakeRun) -> None:
    with open_run(make_run()) as run:
        found = read_scores(run)
        assert tuple(score.name for score in found) == SCORES
        first = found[0]
        series = run["analysis_rmse"].values[50:]
        assert first.title == "analysis RMSE"
        assert first.mean == pytest.approx(series.mean())
        assert first.maximum == series.max()
        assert burn_in(run) == 50


def test_a_sound_file_agrees_with_itself(make_run: MakeRun) -> None:
    for truth in (True, False):
        with open_run(make_run(truth=truth)) as run:
            assert disagreements(run) == []


@pytest.mark.parametrize(
    ("attribute", "kind"),
    [("time_mean", "mean"), ("standard_error", "standard_error"), ("maximum", "maximum")],
)
def test_a_wrong_statement_is_found(make_run: MakeRun, attribute: str, kind: str) -> None:
    path = make_run()
    with netCDF4.Dataset(path, "a") as file:
        stated = file["background_rmse"].getncattr(attribute)
        file["background_rmse"].setncattr(attribute, stated * (1 + 1e-6))
    with open_run(path) as run:
        (line,) = disagreements(run)
    assert line.startswith(f"background_rmse: {kind} is stated as ")


def test_scores_without_truth_are_missing(make_run: MakeRun) -> None:
    with open_run(make_run(truth=False)) as run:
        by_name = {score.name: score for score in read_scores(run)}
    assert np.isnan(by_name["analysis_rmse"].mean)
    assert np.isfinite(by_name["analysis_spread"].mean)


@pytest.mark.parametrize(
    ("mean", "error", "shown"),
    [
        (0.19934, 0.00121, "0.1993 ± 0.0012"),
        (0.19934, 0.0121, "0.199 ± 0.012"),
        (3.85, 0.31, "3.85 ± 0.31"),
        (1234.5, 120.0, "1234 ± 120"),
        (40.0, 0.0, "40"),
        (0.02, 2.4e-16, "0.02"),
        (0.2, np.nan, "0.2"),
        (np.nan, np.nan, "-"),
    ],
)
def test_a_mean_is_shown_to_the_digits_that_count(mean: float, error: float, shown: str) -> None:
    assert with_error(mean, error) == shown
