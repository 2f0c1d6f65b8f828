"""The compiled program, for every test that runs it."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from dacycle.program import command, environment

REPOSITORY = Path(__file__).resolve().parents[1]

PATIENCE = 600.0
"""Seconds until a run counts as hung: far more than any takes on a busy machine."""

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # A shell without job control starts what runs in the background so; tests interrupt programs.
    signal.signal(signal.SIGINT, signal.default_int_handler)

DaCycle = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session", autouse=True)
def open_mpi() -> Iterator[None]:
    """Open MPI looks for no fabrics, which takes most of a start, and keeps its files apart.

    Processes that start without mpirun share a folder with all others of their user, and may fall
    over each other there. (Names for Open MPI 4, then 5.) Its path is short: sockets lie in it.
    """
    with (
        tempfile.TemporaryDirectory(prefix="da-", ignore_cleanup_errors=True) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("OMPI_MCA_pml", "ob1")
        for name in ("OMPI_MCA_orte_tmpdir_base", "PRTE_MCA_prte_tmpdir_base"):
            patch.setenv(name, folder)
        yield


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def program() -> Path:
    """The program under test: `DACYCLE_PROGRAM`, else `bin/da_cycle`, which bin/test builds."""
    found = Path(os.environ.get("DACYCLE_PROGRAM", REPOSITORY / "bin" / "da_cycle"))
    assert os.access(found, os.X_OK), f"{found} is not there: run bin/setup"
    return found


@pytest.fixture(scope="session")
def mpirun() -> Callable[[Path, Sequence[str], int], list[str]]:
    """`mpirun(program, arguments, ranks)`: the command line; `mpirun` is left out for one rank."""
    return command


@pytest.fixture(scope="session")
def da_cycle(program: Path) -> DaCycle:
    """`da_cycle(arguments, ranks=1, cwd=..., timeout=...)`: run the program, capture its output."""

    def run(
        arguments: Sequence[str | Path],
        ranks: int = 1,
        *,
        cwd: Path | None = None,
        timeout: float = PATIENCE,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(program, [str(argument) for argument in arguments], ranks),
            cwd=cwd,
            timeout=timeout,
            env=environment(os.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    return run
