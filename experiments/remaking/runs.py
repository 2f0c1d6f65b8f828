"""Runs of `da_cycle`, each made once: kept under the fingerprint of its namelist and the program.

A call that was interrupted does the rest. What is kept of a run: its scores, the series of its
analysis RMSE and its processor time; the whole file only where a table asks for it.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from dacycle import namelist as nml
from dacycle.errors import RunError
from dacycle.program import command, environment, find_program
from dacycle.run_file import open_run
from dacycle.runner import ERROR_PREFIX, last_words
from dacycle.verification.scores import burn_in, read_scores
from remaking.protocol import Array, is_lost

REPOSITORY = Path(__file__).resolve().parents[2]
KEPT = REPOSITORY / "output" / "remake"
QUIET: nml.Groups = {
    "output": {"fields_every": 0, "feedback": False},
    "checkpoint": {"every": 0},
}
DIGITS = 20
FAILED, BAD_INPUT, LOST = 1, 2, 3
"""Exit statuses of da_cycle; LOST leaves a complete file, FAILED by a lost truth left none."""


@dataclass(frozen=True)
class Run:
    """What is known of a run.

    Attributes:
        scores: by name the time mean, its standard error and the largest value.
        ended: why it ended before its last cycle; empty if it did not.
        interval: between its cycles.
        seconds: of processor time.
        stem: of the files that keep it.
    """

    scores: dict[str, tuple[float, float, float]]
    ended: str
    interval: float
    seconds: float
    stem: str

    @property
    def rmse(self) -> Array:
        """The analysis RMSE of each cycle after burn-in."""
        found: Array = np.load(f"{self.stem}.npy").astype(np.float64)
        return found

    @property
    def file(self) -> Path:
        """The run file, if it was to be kept."""
        return Path(f"{self.stem}.nc")

    def lost(self, limit: float) -> bool:
        """Whether it lost the truth."""
        return bool(self.ended) or is_lost(self.rmse, self.interval, limit)


@dataclass(frozen=True)
class Task:
    """A run to be made: a namelist without its output file.

    Attributes:
        groups: of the namelist.
        keep: keep the run file.
    """

    groups: nml.Groups
    keep: bool = False

    @property
    def fingerprint(self) -> str:
        """Of namelist, files that it names, and program."""
        text = json.dumps([self.groups, self.keep, program_print()], sort_keys=True)
        inputs = [_print_of(Path(path)) for path in _files(self.groups)]
        return _hash("\n".join([text, *inputs]).encode())


def program_print() -> str:
    """Of the program and of the libraries beside it."""
    program = find_program()
    return _hash("".join(_print_of(p) for p in [program, *sorted(program.parent.glob("*.so"))]))


def task(groups: nml.Groups, seed: int, keep: bool = False) -> Task:
    """The run of these settings and this seed; what is not said is quiet.

    What verification adds to a run file is read from it: such a file is kept.
    """
    seeded = nml.merge(nml.merge(QUIET, groups), {"cycle": {"seed": seed}})
    seeded["output"].pop("file", None)
    for keys in seeded.values():
        for key, value in keys.items():
            if isinstance(value, str):
                keys[key] = value.replace("{seed}", str(seed))
    return Task(seeded, keep or "verification" in seeded)


class Runner:
    """Makes what is missing, `jobs` at a time."""

    def __init__(self, jobs: int, kept: Path = KEPT) -> None:
        self.jobs, self.kept = jobs, kept
        self.made = 0
        self.seconds = 0.0
        self._lock = threading.Lock()

    def __call__(self, tasks: Sequence[Task]) -> list[Run]:
        """The runs of the tasks, in their order.

        Raises:
            RunError: the program refused its input, or failed for another reason than a lost truth.
        """
        self.kept.mkdir(parents=True, exist_ok=True)
        wanted = {one.fingerprint: one for one in tasks}
        missing = [name for name in wanted if self._read(name) is None]
        with ThreadPoolExecutor(self.jobs) as pool:
            for done in [pool.submit(self._make, name, wanted[name]) for name in missing]:
                done.result()
        found = [self._read(one.fingerprint) for one in tasks]
        assert all(run is not None for run in found)
        return [run for run in found if run is not None]

    def _read(self, name: str) -> Run | None:
        path = self.kept / f"{name}.json"
        if not path.is_file():
            return None
        told = json.loads(path.read_text(encoding="utf-8"))
        scores = {key: tuple(values) for key, values in told["scores"].items()}
        return Run(**(told | {"scores": scores, "stem": str(self.kept / name)}))

    def _make(self, name: str, wanted: Task) -> None:
        with tempfile.TemporaryDirectory(dir=self.kept) as folder:
            output = Path(folder, "run.nc")
            namelist = Path(folder, "run.nml")
            nml.write(nml.merge(wanted.groups, {"output": {"file": str(output)}}), namelist)
            ended, seconds = _execute(namelist)
            run = _read_run(output, ended, seconds, str(self.kept / name))
            if not ended or output.is_file():
                with open_run(output) as opened:
                    series = opened["analysis_rmse"].values[burn_in(opened) :]
                np.save(f"{run.stem}.npy", series.astype(np.float32))
            if wanted.keep and output.is_file():
                output.replace(run.file)
        self._write(run)

    def _write(self, run: Run) -> None:
        told = asdict(run)
        part = Path(f"{run.stem}.json.part")
        part.write_text(json.dumps(told, indent=1), encoding="utf-8")
        part.replace(f"{run.stem}.json")
        with self._lock:
            self.made += 1
            self.seconds += run.seconds
            if sys.stderr.isatty():
                sys.stderr.write(f"\r{self.made} runs made, {self.seconds:.0f} s of processor time")


def _execute(namelist: Path) -> tuple[str, float]:
    """Run it: why it ended early, and the processor time."""
    line = command(find_program(), ["--fresh", "--progress", "none", str(namelist)], 1)
    # A session folder of its own: Open MPI's starts can meet in a common one.
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryDirectory(prefix="dc") as session:
        process = subprocess.Popen(
            line,
            cwd=namelist.parent,
            env=environment(os.environ) | {"TMPDIR": session},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = code = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        said = errors.read().decode(errors="replace")
    message = last_words(said, code) if code else ""
    truth_lost = code == LOST or (
        code == FAILED and ERROR_PREFIX in said and str(namelist.parent) not in message
    )
    if code and not truth_lost:
        raise RunError(code, message)
    return message, used.ru_utime + used.ru_stime


def _read_run(output: Path, ended: str, seconds: float, stem: str) -> Run:
    if not output.is_file():
        return Run({}, ended, 0.0, seconds, stem)
    with open_run(output) as opened:
        scores = {
            one.name: (one.mean, one.standard_error, one.maximum) for one in read_scores(opened)
        }
        settings = nml.parse(str(opened.attrs["namelist"]))
    return Run(scores, ended, float(settings["cycle"]["interval"]), seconds, stem)


def _files(groups: nml.Groups) -> Iterable[str]:
    for keys in groups.values():
        for value in keys.values():
            if isinstance(value, str) and os.sep in value and Path(value).is_file():
                yield value


@cache
def _stamped(path: Path, _stamp: tuple[int, int]) -> str:
    return _hash(path.read_bytes())


def _print_of(path: Path) -> str:
    found = path.stat()
    return _stamped(path, (found.st_mtime_ns, found.st_size))


def _hash(content: Any) -> str:
    data = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()[:DIGITS]


def milliseconds(runner: Runner, groups: nml.Groups, seed: int, share: int = 10) -> float:
    """Processor time of a cycle: of a run less one of a share of its cycles.

    Start-up, spin-up of the truth and loading of networks fall out.
    """
    cycles = int(groups["cycle"]["cycles"])
    fewer = {"cycle": {"cycles": max(cycles // share, 2), "burn_in": 0}}
    long, short = runner([task(groups, seed), task(nml.merge(groups, fewer), seed)])
    return 1000 * (long.seconds - short.seconds) / (cycles - fewer["cycle"]["cycles"])


def clock() -> float:
    """Seconds that only grow."""
    return time.monotonic()
