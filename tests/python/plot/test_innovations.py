"""The picture of innovations, and the normalised innovations in it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dacycle.plot.innovations import innovations, normalised_innovations
from dacycle.run_file import open_run

MakeRun = Callable[..., Path]


def test_rejected_and_early_observations_are_left_out(make_run: MakeRun) -> None:
    with open_run(make_run(burn_in=50)) as run:
        scaled = normalised_innovations(run)
        rejected = int((run["obs_qc"].values[50 * 20 :] == 7).sum())
    assert scaled.size == 250 * 20 - rejected
    assert scaled.mean() == pytest.approx(0, abs=4 / np.sqrt(scaled.size))
    assert scaled.std() == pytest.approx(1, abs=4 / np.sqrt(2 * scaled.size))


def test_without_feedback_there_is_no_histogram(make_run: MakeRun) -> None:
    with open_run(make_run(feedback=False)) as run:
        assert normalised_innovations(run).size == 0
        assert len(innovations(run).axes) == 2
    with open_run(make_run()) as run:
        assert len(innovations(run).axes) == 3
