"""Many runs of `da_cycle` side by side, each waited for by a thread."""

import itertools
import math
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from dacycle import namelist as nml
from dacycle.errors import DacycleError, RunError
from dacycle.program import command, environment, find_program
from dacycle.run_file import open_run
from dacycle.runner import ERROR_PREFIX, LOST, last_words
from dacycle.sweep.plan import Plan, Point, settings
from dacycle.sweep.store import DIVERGED, DONE, FAILED, Row
from dacycle.verification.scores import read_scores

__all__ = ["Runs", "Task", "cores"]

BAD_INPUT = 2
RUN_FAILED = 1
"""Exit statuses of da_cycle, beside that of a lost ensemble. The second is that of a truth that is
not finite and of a full disk, whose message names a file; and of an MPI that cannot start, which
ends the program before it speaks."""

Task = tuple[Point, int]
"""A point and a seed."""


@dataclass(frozen=True)
class _Ended:
    status: int
    message: str
    own: bool
    """The message is the program's."""
    seconds: float


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))


class Runs:
    """Runs the tasks of a plan, `jobs` at a time, and stops them when it is left in the middle."""

    def __init__(self, plan: Plan, folder: Path, jobs: int, ranks: int) -> None:
        """Runs whose files live in `folder` until they are read.

        Raises:
            ProgramError: `da_cycle` or `mpirun` is not there.
        """
        self._plan, self._folder, self._jobs, self._ranks = plan, folder, jobs, ranks
        self._program = find_program()
        self._lock = Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def __call__(self, tasks: Iterable[Task]) -> Generator[Row, None, None]:
        """The row of each task, in the order in which they end.

        Raises:
            RunError: the program refused its input (status 2), which no other run would mend.
        """
        rest = iter(tasks)
        waiting: dict[Future[_Ended], tuple[Task, Path]] = {}
        with ThreadPoolExecutor(self._jobs) as threads:
            try:
                numbers = itertools.count(1)
                while True:
                    for task in itertools.islice(rest, self._jobs - len(waiting)):
                        stem = self._folder / str(next(numbers))
                        waiting[threads.submit(self._run, task, stem)] = (task, stem)
                    if not waiting:
                        return
                    for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                        (point, seed), stem = waiting.pop(future)
                        yield self._row(point, seed, future.result(), stem)
            except BaseException:
                self._stop()
                raise

    def _run(self, task: Task, stem: Path) -> _Ended:
        groups = settings(self._plan, *task)
        output = {"output": {"file": str(stem.with_suffix(".nc"))}}
        namelist = stem.with_suffix(".nml")
        nml.write(nml.merge(groups, output), namelist)
        line = command(self._program, ["--fresh", "--progress", "none", str(namelist)], self._ranks)
        begun = time.monotonic()
        with tempfile.TemporaryFile() as errors:
            process = self._start(line, errors.fileno())
            if process is None:
                return _Ended(-signal.SIGTERM, "stopped before it began", False, 0.0)
            status = process.wait()
            with self._lock:
                self._running.discard(process)
            errors.seek(0)
            said = errors.read().decode(errors="replace")
        message = last_words(said, status) if status else ""
        return _Ended(status, message, ERROR_PREFIX in said, time.monotonic() - begun)

    def _start(self, line: list[str], errors: int) -> "subprocess.Popen[bytes] | None":
        with self._lock:
            if self._stopped:
                return None
            process = subprocess.Popen(
                line,
                env=environment(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                process_group=0,  # an interrupt at the keyboard reaches it through _stop alone
            )
            self._running.add(process)
            return process

    def _stop(self) -> None:
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.terminate()

    def _row(self, point: Point, seed: int, ended: _Ended, stem: Path) -> Row:
        if ended.status == BAD_INPUT:
            raise RunError(BAD_INPUT, f"{_shown(point)}: {_named(ended.message, stem)}")
        scores: dict[str, float] = {}
        outcome, message = DONE, _named(ended.message, stem)
        names_file = str(self._folder) in ended.message
        if ended.own and (ended.status == LOST or (ended.status == RUN_FAILED and not names_file)):
            outcome = DIVERGED
        elif ended.status != 0:
            outcome = FAILED
        else:
            try:
                with open_run(stem.with_suffix(".nc")) as run:
                    scores = {score.name: score.mean for score in read_scores(run)}
            except DacycleError as error:
                outcome, message = FAILED, str(error)
        for path in stem.parent.glob(f"{stem.name}.*"):
            path.unlink()
        finite = {name: value for name, value in scores.items() if math.isfinite(value)}
        return Row(point, seed, outcome, finite, message, round(ended.seconds, 3))


def _named(message: str, stem: Path) -> str:
    return message.replace(str(stem.with_suffix(".nml")), "namelist")


def _shown(point: Point) -> str:
    return ", ".join(f"{key} = {value}" for key, value in point.items())
