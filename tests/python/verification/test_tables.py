"""Tables of a run file, and the check of them."""

from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from dacycle.run_file import open_run
from dacycle.verification.tables import read_tables, table_disagreements, title_of

MakeRun = Callable[..., Path]


def test_tables_are_read_in_their_shape(make_run: MakeRun) -> None:
    with open_run(make_run(verification=True)) as run:
        found = {table.name: table for table in read_tables(run)}
        assert "analysis_rmse" not in found
        forecasts = run["event_forecasts"].values[50:]
    assert found["event_forecasts"].mean.shape == (2, 10)
    np.testing.assert_allclose(found["event_forecasts"].mean, forecasts.mean(axis=0))
    assert found["forecast_rmse"].standard_error.shape == (4,)
    assert found["background_crps"].mean.shape == ()


def test_a_run_without_tables_has_none(make_run: MakeRun) -> None:
    with open_run(make_run()) as run:
        assert read_tables(run) == []
        assert table_disagreements(run) == []


def test_a_sound_file_agrees_with_itself(make_run: MakeRun) -> None:
    path = make_run(verification=True)
    with open_run(path) as run:
        assert table_disagreements(run) == []


def test_forecasts_without_a_truth_are_not_counted(make_run: MakeRun) -> None:
    """The last rows of a column are NaN where the truth ends before the forecast does."""
    path = make_run(verification=True)
    with netCDF4.Dataset(path, "a") as file:
        rmse = file["forecast_rmse"]
        values = rmse[:].filled(np.nan)
        rmse[-2:, 3] = np.nan
        mean = rmse.time_mean
        mean[3] = values[5:-2, 3].mean()
        rmse.time_mean = mean
    with open_run(path) as run:
        wrong = table_disagreements(run)
    assert [line.partition(" of ")[0] for line in wrong] == ["forecast_rmse: standard_error"]


@pytest.mark.parametrize("attribute", ["time_mean", "standard_error", "maximum"])
def test_a_wrong_statement_is_found(make_run: MakeRun, attribute: str) -> None:
    path = make_run(verification=True)
    with netCDF4.Dataset(path, "a") as file:
        stated = file["background_ranks"].getncattr(attribute)
        file["background_ranks"].setncattr(attribute, stated * (1 + 1e-6))
    with open_run(path) as run:
        (line,) = table_disagreements(run)
    assert line.startswith("background_ranks: ")


def test_names_are_written_out() -> None:
    assert title_of("background_fair_crps") == "background fair CRPS"
    assert title_of("forecast_truth_sd") == "forecast truth SD"
