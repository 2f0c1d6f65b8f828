"""SIGTERM, as a batch system sends it, ends a run with a checkpoint."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dacycle import namelist as nml

Groups = dict[str, dict[str, Any]]

TERMINATED = 143
CYCLES = 3000
GROUPS: Groups = {
    "cycle": {"cycles": CYCLES, "burn_in": 100},
    "ensemble": {"members": 10},
    "checkpoint": {"every": 0},
}


@pytest.mark.parametrize(
    ("ranks", "first"),
    [(1, 0), (2, 0), (2, 1)],
    ids=["one rank", "all of two ranks", "one of two ranks"],
)
def test_sigterm_leaves_a_checkpoint(
    ranks: int,
    first: int,
    begin: Callable[..., Any],
    files: Callable[[], set[str]],
    run: Callable[..., Path],
    assert_finished: Callable[[Groups], None],
    tmp_path: Path,
) -> None:
    job = begin(GROUPS, ranks)
    job.wait_for((tmp_path / "run.nc.part").exists)
    for rank in job.ranks()[first:]:
        os.kill(rank, signal.SIGTERM)
    status, output, errors = job.end()
    assert status == TERMINATED
    assert "stopped by SIGTERM; go on with da_cycle --restart run.nml" in output
    assert "da_cycle: error" not in errors
    assert files() == {"run.nml", "run.nc.part", "run.nc.checkpoint"}
    assert 0 < job.cycle() < CYCLES
    run(GROUPS, tmp_path, 3 - ranks, ["--restart"])
    assert_finished(GROUPS)


def test_mpirun_passes_sigterm_on(begin: Callable[..., Any], files: Callable[[], set[str]]) -> None:
    """Open MPI 4 takes a second for it, and ends with 1 whatever its ranks end with."""
    endless = {"cycle": {"cycles": 10**6}, "output": {"fields_every": 0, "feedback": False}}
    job = begin(nml.merge(GROUPS, nml.merge(endless, {"checkpoint": {"every": 100}})), 2)
    job.wait_for_checkpoint()
    job.process.terminate()
    status, output, errors = job.end()
    assert status in (1, TERMINATED)
    assert "stopped by SIGTERM; go on with da_cycle --restart run.nml" in output
    assert "da_cycle: error" not in errors
    assert files() == {"run.nml", "run.nc.part", "run.nc.checkpoint"}
