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


CARRIED: Groups = {
    "cycle": {"model": "lorenz96_forced"},
    "parameters": {"estimate": True, "scope": "local", "random_walk": 0.01, "minimum_sd": 0.1},
    "observation_bias": {"estimate": True, "random_walk": 0.01},
    "adaptive_inflation": {"scheme": "miyoshi2011"},
    "model_error": {"sd": 0.1, "truth_sd": 0.1},
}
"""Whatever goes on from cycle to cycle beside the ensemble's states."""


@pytest.mark.parametrize(
    ("ranks", "first", "more"),
    [(1, 0, {}), (2, 0, {}), (2, 1, {}), (2, 0, CARRIED)],
    ids=["one rank", "all of two ranks", "one of two ranks", "all that can be carried"],
)
def test_sigterm_leaves_a_checkpoint(
    ranks: int,
    first: int,
    more: Groups,
    begin: Callable[..., Any],
    files: Callable[[], set[str]],
    run: Callable[..., Path],
    assert_finished: Callable[[Groups], None],
    tmp_path: Path,
) -> None:
    groups = nml.merge(GROUPS, more)
    job = begin(groups, ranks)
    job.wait_for((tmp_path / "run.nc.part").exists)
    for rank in job.ranks()[first:]:
        os.kill(rank, signal.SIGTERM)
    status, output, errors = job.end()
    assert status == TERMINATED
    assert "stopped by SIGTERM; go on with da_cycle --restart run.nml" in output
    assert "da_cycle: error" not in errors
    assert files() == {"run.nml", "run.nc.part", "run.nc.checkpoint"}
    assert 0 < job.cycle() < CYCLES
    run(groups, tmp_path, 3 - ranks, ["--restart"])
    assert_finished(groups)


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


@pytest.mark.parametrize("ranks", [1, 3])
@pytest.mark.parametrize(
    "slow",
    [{"truth": {"spin_up": 1.0e6}}, {"ensemble": {"spin_up": 1.0e6}}],
    ids=["the truth spins up", "the ensemble spins up"],
)
def test_sigterm_before_the_first_cycle(
    ranks: int,
    slow: Groups,
    begin: Callable[..., Any],
    files: Callable[[], set[str]],
) -> None:
    """There is nothing to lose, and nothing is left."""
    job = begin(nml.merge(GROUPS, nml.merge({"lorenz96": {"n": 4000}}, slow)), ranks)
    job.wait_for(lambda: len(job.ranks()) == ranks and all(map(watches, job.ranks())))
    # As a batch system does, each of them: what a rank says while mpirun ends it may be lost.
    for rank in sorted(job.ranks(), key=is_not_root):
        os.kill(rank, signal.SIGTERM)
    status, output, errors = job.end()
    assert status == TERMINATED
    assert "stopped by SIGTERM; nothing was written" in output
    assert "da_cycle: error" not in errors
    assert files() == {"run.nml"}


def is_not_root(process: int) -> bool:
    """Whether a process is a rank of a job, and not its first (Open MPI)."""
    variables = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    return not {b"OMPI_COMM_WORLD_RANK=0"} & set(variables) and any(
        one.startswith(b"OMPI_COMM_WORLD_RANK=") for one in variables
    )


def watches(process: int) -> bool:
    """Whether a process has a handler of SIGTERM (Linux)."""
    status = Path(f"/proc/{process}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)
