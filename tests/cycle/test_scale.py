"""Large domains: memory follows the number of points, and is shared among the ranks."""

import filecmp
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from dacycle import namelist as nml

pytestmark = pytest.mark.slow

Groups = dict[str, dict[str, Any]]

MEBIBYTE = 2**20
REAL_BYTES = 8
MEMBERS = 20
CYCLES = 6
MOST_ENSEMBLES = 8
"""A rank may hold so many times its part of the ensemble: the ensemble, its equivalent in the
space of one observation a point, halos, fields, feedback and message buffers."""
MOST_ENSEMBLES_BARE = 3
"""The same where nothing is written but scores: ensemble, its equivalent in observation space,
truth, observations and the background's mean and spread."""
BARE: Groups = {"output": {"fields_every": 0, "feedback": False}}


def groups(n: int, cycles: int = CYCLES) -> Groups:
    """Without long spin-ups; every point is observed."""
    return {
        "cycle": {"cycles": cycles, "burn_in": cycles - 1, "analysis": "letkf"},
        "lorenz96": {"n": n},
        "truth": {"spin_up": 2.0},
        "ensemble": {"members": MEMBERS, "initial": "truth", "initial_sd": 1.0},
    }


def ensemble_mebibytes(n: int) -> float:
    return n * MEMBERS * REAL_BYTES / MEBIBYTE


@pytest.fixture
def memory(
    da_cycle: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> Callable[..., float]:
    """`memory(n, ranks, extra={})`: what the largest rank held beyond a small run, in MiB."""

    def held(n: int, ranks: int, extra: Groups) -> float:
        nml.write(nml.merge(groups(n, cycles=2), extra), tmp_path / "run.nml")
        done = da_cycle(["run.nml"], ranks, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        found = re.search(r"^memory high-water mark +([0-9.]+) MiB", done.stdout, re.MULTILINE)
        assert found is not None, done.stdout
        return float(found[1])

    def beyond(n: int, ranks: int, extra: Groups | None = None) -> float:
        return held(n, ranks, extra or {}) - held(40, ranks, extra or {})

    return beyond


def test_a_large_domain(run: Callable[..., Path], tmp_path: Path) -> None:
    n = 20000
    one, two = (run(groups(n), tmp_path / str(ranks), ranks) for ranks in (1, 2))
    assert filecmp.cmp(one, two, shallow=False)
    with xr.open_dataset(two, engine="netcdf4") as dataset:
        assert dataset.sizes["x"] == n
        assert dataset.sizes["observation"] == n * CYCLES
        rmse, spread, chi2 = (
            float(dataset[name][-1])
            for name in ("analysis_rmse", "analysis_spread", "innovation_chi2")
        )
    assert 0.2 < rmse < 0.6
    assert spread == pytest.approx(rmse, rel=0.2)
    assert chi2 == pytest.approx(1, abs=0.1)


def test_memory_follows_the_ensemble(memory: Callable[..., float]) -> None:
    """Measured: 6 ensembles; twice the points take twice as much."""
    n = 60000
    once, twice = memory(n, 2), memory(2 * n, 2)
    assert once < MOST_ENSEMBLES * ensemble_mebibytes(n) / 2
    assert twice == pytest.approx(2 * once, rel=0.2)


@pytest.mark.parametrize("ranks", [1, 2])
def test_scores_alone_take_three_ensembles(ranks: int, memory: Callable[..., float]) -> None:
    """Measured: 2.75 of them for 10^6 points."""
    n = 200000
    assert memory(n, ranks, BARE) < MOST_ENSEMBLES_BARE * ensemble_mebibytes(n) / ranks


def test_ranks_share_the_memory(memory: Callable[..., float]) -> None:
    n = 120000
    assert memory(n, 2) < 0.6 * memory(n, 1)
