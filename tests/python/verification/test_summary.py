"""The lines that tell all that a run file holds."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dacycle.run_file import open_run
from dacycle.verification.desroziers import desroziers
from dacycle.verification.summary import summary

MakeRun = Callable[..., Path]


def test_each_section_is_there_for_which_there_is_data(make_run: MakeRun) -> None:
    with open_run(make_run(verification=True)) as run:
        found = summary(run)
        background = desroziers(run).background_ratio
    assert list(found) == ["series", "ranks", "reliability", "forecasts", "desroziers"]
    assert "analysis region RMSE 35-4" in found["series"]
    assert found["desroziers"]["  over that of the members"] == background
    assert found["forecasts"]["forecast RMSE at 2"].value == pytest.approx(0.7 * 3.6, rel=0.02)
    lines = {title: one for section in found.values() for title, one in section.items()}
    assert all(np.isfinite(one.value) for one in lines.values())
    unsure = [title for title, one in lines.items() if not np.isfinite(one.standard_error)]
    assert all(title.endswith("of it chance") for title in unsure)


def test_a_plain_run_has_its_innovations(make_run: MakeRun) -> None:
    with open_run(make_run()) as run:
        assert list(summary(run)) == ["desroziers"]
    with open_run(make_run(feedback=False)) as run:
        assert summary(run) == {}
