"""Runs with networks that were killed go on to the bits of those that were not."""

import filecmp
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dacycle import namelist as nml
from dacycle.program import environment

Groups = dict[str, dict[str, Any]]
Run = Callable[..., Path]

PATIENCE = 60.0
POLL = 0.005
SHORT: Groups = {"cycle": {"cycles": 300, "burn_in": 2}, "checkpoint": {"every": 7}}
CASES: dict[str, tuple[str, str, Groups]] = {
    "memory": ("analysis", "counting.pt", {"ensemble": {"members": 3}}),
    "observed in windows": (
        "observation",
        "square.pt",
        {
            "cycle": {"analysis": "ienks"},
            "ensemble": {"members": 8, "initial": "truth", "initial_sd": 0.5},
            "ienks": {"window": 3},
            # What the network gives is not what the kind would.
            "observations": {"kinds": ["value"], "error_sd": 50.0},
        },
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_killed_run_goes_on(
    case: str, networks: Path, run: Run, program: Path, tmp_path: Path
) -> None:
    role, file, groups = CASES[case]
    groups = nml.merge(nml.merge(SHORT, groups), {"networks": {role: str(networks / file)}})
    whole = run(groups, tmp_path / "whole")

    folder = tmp_path / "killed"
    folder.mkdir()
    nml.write(groups, folder / "run.nml")
    checkpoint = folder / "run.nc.checkpoint"
    with subprocess.Popen(
        [program, "run.nml"], cwd=folder, env=environment(os.environ), stdout=subprocess.DEVNULL
    ) as process:
        end = time.monotonic() + PATIENCE
        while not checkpoint.exists():
            assert process.poll() is None, "the run was over too soon for this test"
            assert time.monotonic() < end
            time.sleep(POLL)
        process.kill()
    assert checkpoint.exists()
    assert filecmp.cmp(whole, run(groups, folder, 1, ["--restart"]), shallow=False)
