"""What a run tells of its minimisations, averaged over the cycles after burn-in."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dacycle.errors import RunFileError
from dacycle.run_file import open_run
from dacycle.verification.minimisation import convergence, hessian_spectrum
from dacycle.verification.summary import summary
from dacycle.verification.tables import table_disagreements

MakeRun = Callable[..., Path]


def test_loops_are_means_up_to_their_longest(make_run: MakeRun) -> None:
    with open_run(make_run(minimisation=True)) as run:
        loops = convergence(run)
        after = run["diagnosed_time"].values > run["time"].values[49]
        cycles = np.isin(run["time"].values, run["diagnosed_time"].values[after])
        for number, loop in enumerate(loops):
            most = int(run["inner_iterations"].values[cycles, number].max())
            cost = run["iterate_cost"].values[after][:, number, : most + 1]
            gradient = run["iterate_gradient"].values[after][:, number, : most + 1]
            np.testing.assert_allclose(loop.cost, cost.mean(axis=0), rtol=1e-12)
            np.testing.assert_allclose(loop.background + loop.observations, loop.cost, rtol=1e-9)
            expected = np.exp(np.log(gradient).mean(axis=0))
            np.testing.assert_allclose(loop.gradient, expected, rtol=1e-12)
    assert len(loops) == 2


def test_eigenvalues_have_their_scatter(make_run: MakeRun) -> None:
    with open_run(make_run(minimisation=True)) as run:
        found = hessian_spectrum(run)
    assert found.mean.shape == (5,)
    assert (found.low < found.mean).all()
    assert (found.mean < found.high).all()


def test_what_was_not_written_is_refused(make_run: MakeRun) -> None:
    with open_run(make_run()) as run:
        with pytest.raises(RunFileError, match="iterations in &diagnostics"):
            convergence(run)
        with pytest.raises(RunFileError, match="hessian in &diagnostics"):
            hessian_spectrum(run)
    with (
        open_run(make_run(minimisation=True, burn_in=300)) as run,
        pytest.raises(RunFileError, match="no row lies after the burn-in"),
    ):
        hessian_spectrum(run)


def test_series_are_summarised_and_checked(make_run: MakeRun) -> None:
    with open_run(make_run(minimisation=True)) as run:
        lines = summary(run)["series"]
        assert {"cost ratio", "inner iterations 1", "inner iterations 2"} <= set(lines)
        assert table_disagreements(run) == []
        run["cost_ratio"].values[100] += 1
        assert any("cost_ratio" in line for line in table_disagreements(run))
