"""What a run tells of its minimisations, and that telling it changes nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from dacycle import namelist as nml
from dacycle import open_run
from dacycle.verification.tables import table_disagreements

Groups = dict[str, dict[str, Any]]
Run = Callable[..., Path]

CYCLES, BURN_IN, LOOPS, EVERY = 200, 40, 2, 4
GROUPS: Groups = {
    "cycle": {"analysis": "var4d", "interval": 0.1, "cycles": CYCLES, "burn_in": BURN_IN},
    "ensemble": {"members": 1, "initial": "truth", "initial_sd": 0.1},
    "variational": {"window": 2, "outer_loops": LOOPS},
    "background": {"factor": 0.01},
}
ALL: Groups = {"iterations": True, "hessian": "lanczos", "analysis_error": True, "dfs_samples": 40}
COSTS = {
    "cost_before",
    "cost_after",
    "cost_after_background",
    "cost_after_observations",
    "cost_ratio",
}
VARIATIONAL = COSTS | {"gradient_log10", "inner_iterations", "outer_loop"}


@pytest.fixture(scope="module")
def load(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., xr.Dataset]:
    """`load(*groups)`: the output of a run of `GROUPS` with these laid over them."""

    def output(*groups: Groups) -> xr.Dataset:
        settings = GROUPS
        for group in groups:
            settings = nml.merge(settings, group)
        path = run(settings, tmp_path_factory.mktemp("diagnostics"))
        with open_run(path) as dataset:
            return dataset.load()

    return output


@pytest.fixture(scope="module")
def plain(load: Callable[..., xr.Dataset]) -> xr.Dataset:
    return load()


@pytest.fixture(scope="module")
def told(load: Callable[..., xr.Dataset]) -> xr.Dataset:
    return load({"diagnostics": ALL})


def test_costs_are_always_told(plain: xr.Dataset) -> None:
    assert set(plain.variables) >= VARIATIONAL
    assert "diagnosed_time" not in plain.variables
    whole = plain.cost_after_background + plain.cost_after_observations
    np.testing.assert_allclose(plain.cost_after, whole, rtol=1e-14)
    expected = 2 * plain.cost_after / plain.observations_used
    np.testing.assert_allclose(plain.cost_ratio, expected, rtol=1e-14)
    assert (plain.cost_after < plain.cost_before).mean() > 0.99


def test_the_cost_before_is_that_of_the_innovations(plain: xr.Dataset) -> None:
    """The window's background ends in the background that the feedback has, but for rounding."""
    scaled = (plain.obs_value - plain.obs_background) / plain.obs_error_sd
    halves = 0.5 * (scaled.values.reshape(CYCLES, -1) ** 2).sum(axis=1)
    np.testing.assert_allclose(plain.cost_before, halves, rtol=1e-9)


def test_telling_changes_no_bit_of_the_rest(plain: xr.Dataset, told: xr.Dataset) -> None:
    assert set(plain.variables) < set(told.variables)
    for name in plain.variables:
        if name in ("analysis_sd", "analysis_spread"):
            continue
        np.testing.assert_array_equal(plain[name], told[name], err_msg=str(name))
    assert (plain.analysis_spread == 0).all()
    assert (plain.analysis_sd == 0).all()


def test_iterates_agree_with_the_loops(told: xr.Dataset) -> None:
    np.testing.assert_allclose(told.iterate_cost[:, 0, 0], told.cost_before, rtol=1e-13)
    assert (told.iterate_cost.diff("iteration") <= 0).all()
    parts = told.iterate_background_cost + told.iterate_observation_cost
    np.testing.assert_allclose(parts, told.iterate_cost, rtol=1e-12)
    last = told.inner_iterations.values.astype(int)
    for cycle in range(0, CYCLES, 17):
        for loop in range(LOOPS):
            gradient = told.iterate_gradient.values[cycle, loop]
            reached = gradient[last[cycle, loop]] / gradient[0]
            assert reached <= 1e-3 < gradient[last[cycle, loop] - 1] / gradient[0]


def test_estimates_of_the_signal_agree(told: xr.Dataset) -> None:
    """All 40 Lanczos vectors of 40 points: exact; random vectors scatter about that."""
    off = (told.dfs - told.dfs_lanczos) / told.dfs_error
    assert abs(off.mean()) < 4 / np.sqrt(CYCLES)
    assert 0.8 < float(off.std()) < 1.3
    assert (told.hessian_eigenvalues.diff("eigenvalue") <= 0).all()
    assert (told.hessian_eigenvalues >= 1 - 1e-12).all()
    assert ((told.dfs_lanczos > 0) & (told.dfs_lanczos < told.observations_used.values)).all()


def test_the_spread_is_that_of_the_analysis_error(told: xr.Dataset) -> None:
    mean_square = (told.analysis_sd**2).mean("x")
    np.testing.assert_allclose(told.analysis_spread**2, mean_square, rtol=1e-12)
    assert (told.background_spread == 0).all()
    settled = slice(BURN_IN, None)
    rmse = np.sqrt((told.analysis_rmse[settled] ** 2).mean())
    spread = np.sqrt((told.analysis_spread[settled] ** 2).mean())
    assert 0.7 < spread / rmse < 1.3


def test_probes_with_vectors_of_their_own_agree(
    load: Callable[..., xr.Dataset], told: xr.Dataset
) -> None:
    few: Groups = {"cycle": {"cycles": 20, "burn_in": 5}}
    probed = load(few, {"diagnostics": {"analysis_error": True}})
    assert "hessian_eigenvalues" not in probed.variables
    np.testing.assert_allclose(probed.analysis_sd, told.analysis_sd[:20], rtol=1e-6)
    np.testing.assert_allclose(probed.smoothed_spread, told.smoothed_spread[:20], rtol=1e-6)


def test_statements_agree_with_rows(told: xr.Dataset) -> None:
    assert table_disagreements(told) == []


def test_rows_of_some_cycles_are_those_of_all(
    load: Callable[..., xr.Dataset], told: xr.Dataset
) -> None:
    some = load({"diagnostics": {**ALL, "analysis_error": False, "every": EVERY}})
    rows = slice(EVERY - 1, None, EVERY)
    np.testing.assert_array_equal(some.diagnosed_time, told.diagnosed_time[rows])
    for name in ("iterate_cost", "hessian_eigenvalues", "dfs"):
        np.testing.assert_array_equal(some[name], told[name][rows])
    assert table_disagreements(some) == []


def test_solvers_agree_and_preconditioning_saves_iterations(
    load: Callable[..., xr.Dataset], plain: xr.Dataset
) -> None:
    lanczos: Groups = {"variational": {"solver": "lanczos"}}
    kept = load(lanczos, {"cycle": {"cycles": 60, "burn_in": 10}})
    first = slice(0, 20)
    np.testing.assert_allclose(kept.analysis_rmse[first], plain.analysis_rmse[first], rtol=1e-6)
    tight: Groups = {"variational": {"gradient_reduction": 1e-6}}
    runs = (load(tight), load(tight, lanczos, {"variational": {"preconditioner": "lanczos"}}))
    slow, quick = (one.inner_iterations[BURN_IN:].mean("time").values for one in runs)
    assert quick[1] < 0.8 * slow[1]
    assert abs(quick[0] - slow[0]) < 0.2
    rmse = [float(one.analysis_rmse[BURN_IN:].mean()) for one in runs]
    assert abs(rmse[0] - rmse[1]) < 0.02


def test_the_iterative_smoother_tells_its_costs(run: Run, tmp_path: Path) -> None:
    groups: Groups = {
        "cycle": {**GROUPS["cycle"], "analysis": "ienks"},
        "ensemble": {**GROUPS["ensemble"], "members": 20},
        "ienks": {"window": 2},
    }
    with open_run(run(groups, tmp_path)) as told:
        assert set(told.variables) >= COSTS
        assert "inner_iterations" not in told.variables
        assert (told.cost_after < told.cost_before).mean() > 0.95
        assert 0.7 < float(told.cost_ratio[BURN_IN:].mean()) < 1.3
