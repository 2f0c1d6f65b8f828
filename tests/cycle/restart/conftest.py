"""Runs that are begun and not waited for, to be killed or stopped on their way."""

import contextlib
import filecmp
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4
import pytest

from dacycle import namelist as nml
from dacycle.program import environment

Groups = Mapping[str, Mapping[str, Any]]

PATIENCE = 120.0
POLL = 0.005


@dataclass
class Job:
    """A run under way in a folder."""

    process: subprocess.Popen[str]
    checkpoint: Path

    def family(self) -> list[int]:
        """The process that was started here, and its descendants: mpirun, daemons and ranks."""
        parents = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # it may be gone by now
                # The name, in brackets, may have anything in it.
                parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        found = [self.process.pid]
        for parent in found:
            found += [process for process, above in parents.items() if above == parent]
        return found

    def ranks(self) -> list[int]:
        """The processes that compute."""
        return [one for one in self.family() if "da_cycle" in Path(f"/proc/{one}/comm").read_text()]

    def cycle(self) -> int:
        """The cycle of the last checkpoint, 0 if there is none."""
        try:
            with netCDF4.Dataset(self.checkpoint) as file:
                return int(file.cycle)
        except FileNotFoundError:
            return 0

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds; the run must still be under way then."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert self.process.poll() is None, "".join(self.process.communicate())
            assert time.monotonic() < end
            time.sleep(POLL)
        assert self.process.poll() is None, "the run was over too soon for this test"

    def wait_for_checkpoint(self, cycle: int = 1) -> None:
        self.wait_for(lambda: self.cycle() >= cycle)

    def kill(self) -> None:
        """`kill -9`, ranks first, so that mpirun cannot end them in an orderly way."""
        if self.process.poll() is None:
            for member in reversed(self.family()):
                os.kill(member, signal.SIGKILL)
        self.process.communicate(timeout=PATIENCE)

    def end(self) -> tuple[int, str, str]:
        """Wait for the end: status, output and errors."""
        output, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, output, errors


Begin = Callable[..., Job]


@pytest.fixture
def begin(
    program: Path,
    mpirun: Callable[..., list[str]],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Begin]:
    """`begin(groups, ranks, *options)` starts a run in the test's folder.

    What Open MPI leaves where it is killed goes with the test's folders.
    """
    begun: list[Job] = []
    scratch = str(tmp_path_factory.mktemp("mpi"))
    places = {"TMPDIR": scratch, "OMPI_MCA_btl_vader_backing_directory": scratch}

    def start(groups: Groups, ranks: int, *options: str) -> Job:
        nml.write(groups, tmp_path / "run.nml")
        process = subprocess.Popen(
            mpirun(program, [*options, "run.nml"], ranks),
            cwd=tmp_path,
            env=environment(os.environ) | places,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        kept = groups.get("checkpoint", {}).get("file", "run.nc.checkpoint")
        begun.append(Job(process, tmp_path / kept))
        return begun[-1]

    yield start
    for job in begun:
        job.kill()


@pytest.fixture
def files(tmp_path: Path) -> Callable[[], set[str]]:
    """`files()`: the names in the test's folder.

    Open MPI tries whether a file can be locked on a `<file>.locktest.<rank>`; where it is killed
    just then, that empty file is left.
    """
    return lambda: {path.name for path in tmp_path.iterdir() if ".locktest." not in path.name}


@pytest.fixture
def unfinished(begin: Begin, files: Callable[[], set[str]]) -> Callable[..., Path]:
    """`unfinished(groups, ranks=1, after=1)`: the checkpoint of a run killed after that cycle."""

    def leave(groups: Groups, ranks: int = 1, after: int = 1) -> Path:
        job = begin(groups, ranks)
        job.wait_for_checkpoint(after)
        job.kill()
        assert {"run.nml", "run.nc.part", job.checkpoint.name} <= files()
        assert "run.nc" not in files()
        return job.checkpoint

    return leave


@pytest.fixture
def assert_finished(
    run: Callable[..., Path], files: Callable[[], set[str]], tmp_path: Path
) -> Callable[[Groups], None]:
    """The test's folder holds what an uninterrupted run leaves, and nothing else."""

    def check(groups: Groups) -> None:
        assert files() == {"run.nml", "run.nc"}
        whole = run(groups, tmp_path / "uninterrupted")
        assert filecmp.cmp(tmp_path / "run.nc", whole, shallow=False)

    return check
