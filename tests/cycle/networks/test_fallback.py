"""A network that loses the truth gives way to another scheme, and is tried again after a while."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from dacycle import namelist as nml

Groups = dict[str, dict[str, Any]]

CYCLES, BURN_IN = 600, 100
PATIENCE, DURATION = 4, 30
LOST = 2.0
"""A free run's error is about 5, that of 3D-Var 0.4."""


def groups_with(network: Path, **settings: Any) -> Groups:
    return {
        "cycle": {"analysis": "var3d", "cycles": CYCLES, "burn_in": BURN_IN},
        "ensemble": {"members": 1, "initial": "truth", "initial_sd": 0.5},
        "networks": {"analysis": str(network)} | settings,
        "output": {"fields_every": 0, "feedback": False},
    }


def test_a_lost_network_gives_way(
    networks: Path, da_cycle: Callable[..., Any], tmp_path: Path
) -> None:
    fallback = {
        "fallback_limit": 2.0,
        "fallback_patience": PATIENCE,
        "fallback_duration": DURATION,
    }
    rmse = {}
    for name, settings in {"alone": {}, "watched": fallback}.items():
        (tmp_path / name).mkdir()
        nml.write(groups_with(networks / "nothing.pt", **settings), tmp_path / name / "run.nml")
        done = da_cycle(["run.nml"], cwd=tmp_path / name)
        assert done.returncode == 0, done.stderr
        with netCDF4.Dataset(tmp_path / name / "run.nc") as file:
            rmse[name] = float(np.mean(file["analysis_rmse"][BURN_IN:]))
            assert ("network_fallback" in file.variables) == (name == "watched")
            if name == "watched":
                taken = file["network_fallback"][:].data
    assert rmse["alone"] > LOST > 2 * rmse["watched"]
    lengths = [(value, len(list(group))) for value, group in itertools.groupby(taken)]
    assert len(lengths) > 5
    assert lengths[0][0] == 0
    assert {value for value, _ in lengths} == {0.0, 1.0}
    assert all(length >= PATIENCE - 1 for value, length in lengths[:-1] if value == 0)
    assert all(length == DURATION for value, length in lengths[:-1] if value == 1)
    changes = 1 + np.flatnonzero(np.diff(taken)) + 1
    told = [line for line in done.stdout.splitlines() if ": the network " in line]
    assert told == [
        f"cycle {cycle}: the network gives way to var3d: innovations above fallback_limit = 2.0 "
        f"for {PATIENCE} cycles"
        if taken[cycle - 1]
        else f"cycle {cycle}: the network is tried again"
        for cycle in changes
    ]


def test_a_network_that_holds_the_truth_is_left_alone(
    networks: Path, da_cycle: Callable[..., Any], tmp_path: Path
) -> None:
    nml.write(groups_with(networks / "gain.pt", fallback_limit=3.0), tmp_path / "run.nml")
    done = da_cycle(["run.nml"], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert ": the network " not in done.stdout
    with netCDF4.Dataset(tmp_path / "run.nc") as file:
        assert np.all(file["network_fallback"][:] == 0)
