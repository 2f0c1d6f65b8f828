"""Scores of regions, from fields."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dacycle.errors import RunFileError
from dacycle.run_file import open_run
from dacycle.verification.regions import region_scores


@pytest.mark.parametrize(
    ("first", "last", "points"), [(0, 9, range(10)), (38, 1, [38, 39, 0, 1]), (7, 7, [7])]
)
def test_scores_are_those_of_their_points(
    first: int, last: int, points: list[int], make_run: Callable[..., Path]
) -> None:
    with open_run(make_run()) as run:
        found = region_scores(run, "analysis", first, last)
        error = (run["analysis_mean"] - run["truth"]).values[50:, points]
    assert found.rmse.value == pytest.approx(np.sqrt((error**2).mean(axis=1)).mean())
    assert found.bias.value == pytest.approx(error.mean())
    assert found.spread.value == pytest.approx(0.2)
    assert 0 < found.rmse.standard_error < 0.02


def test_without_a_truth_there_is_the_spread(make_run: Callable[..., Path]) -> None:
    with open_run(make_run(truth=False)) as run:
        found = region_scores(run, "background", 0, 4)
    assert np.isnan(found.rmse.value)
    assert found.spread.value == pytest.approx(0.25)


def test_what_is_not_there_is_refused(make_run: Callable[..., Path]) -> None:
    with open_run(make_run()) as run, pytest.raises(ValueError, match="from 0 to 39"):
        region_scores(run, "analysis", 0, 40)
    with open_run(make_run(fields_every=0)) as run, pytest.raises(RunFileError, match="fields"):
        region_scores(run, "analysis", 0, 4)
    with (
        open_run(make_run(cycles=20, burn_in=20)) as run,
        pytest.raises(RunFileError, match="after burn-in"),
    ):
        region_scores(run, "analysis", 0, 4)
