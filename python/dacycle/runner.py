"""Run `da_cycle` from Python, and hand back what it wrote."""

import os
import subprocess
import sys
import tempfile
import warnings
from codecs import getincrementaldecoder
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import xarray as xr

from dacycle import namelist as nml
from dacycle.errors import LostWarning, NamelistError, RunError
from dacycle.program import command, environment, find_program
from dacycle.run_file import open_run

__all__ = ["ERROR_PREFIX", "LOST", "check", "defaults", "last_words", "output_path", "run"]

NamelistLike = str | os.PathLike[str] | Mapping[str, Mapping[str, Any]]
"""A namelist file, or its groups as a dictionary."""

PATIENT_SECONDS = 60.0
"""A stopped run may take as long to write its checkpoint, before it is killed."""

LOST = 3
"""The program's status where the ensemble was lost, and the file is complete all the same."""

LOSS = "the ensemble is not finite any more"
"""What it says then: a launcher may end with any status for reasons of its own."""

ERROR_PREFIX = "da_cycle: error: "
"""What the program's own line on standard error begins with."""

LONGEST_MESSAGE = 400
PIECE_BYTES = 65536


def run(
    namelist: NamelistLike,
    ranks: int = 1,
    *,
    output: str | os.PathLike[str] | None = None,
    directory: str | os.PathLike[str] = ".",
    restart: bool = False,
    fresh: bool = False,
    progress: bool | TextIO = False,
) -> xr.Dataset:
    """Cycle forecast and analysis as the namelist says, and open the output.

    Args:
        namelist: a namelist file, or groups such as `{"cycle": {"cycles": 500}}`; what they leave
            out has the program's default (`dacycle.runner.defaults`).
        ranks: MPI ranks; the output has the same bits on any number.
        output: the file to write, in place of `&output file`; relative to `directory`. Where
            neither names one it is NAME.nc for the file NAME.nml, and run.nc for groups.
        directory: where the program runs: paths in the namelist are relative to it.
        restart: go on from the last checkpoint, if there is one.
        fresh: begin anew although there is the checkpoint of an unfinished run.
        progress: show the program's output on `sys.stdout`, or on the stream given.

    Returns:
        The run file, opened lazily (`dacycle.open_run`); close it or use it in a `with`. That of a
        run whose ensemble was lost, too, with a `LostWarning`: its attribute `lost_at_cycle` is
        above 0, and its scores are NaN from that cycle on.

    Raises:
        RunError: the program refused its input or failed; the message is its own.
        NamelistError: the namelist cannot be read or written.
        ProgramError: `da_cycle` or `mpirun` is not there.
        ValueError: `restart` with `fresh`, or fewer than one rank.
    """
    if restart and fresh:
        raise ValueError("restart goes on from a checkpoint and fresh begins anew: give one")
    options = ["--restart"] * restart + ["--fresh"] * fresh
    stream = sys.stdout if progress is True else progress or None
    style = "none" if stream is None else "bar" if stream.isatty() else "plain"
    with _namelist_file(namelist, output, directory) as path:
        try:
            _execute([*options, "--progress", style, str(path)], ranks, directory, stream)
        except RunError as error:
            if error.status != LOST or LOSS not in error.message:
                raise
            warnings.warn(error.message.replace(f"{path}: ", ""), LostWarning, stacklevel=2)
        written = output_path(path)
    return open_run(Path(directory) / written)


def check(namelist: NamelistLike, *, directory: str | os.PathLike[str] = ".") -> None:
    """Let the program check a namelist and the files that it names, without a run.

    Args:
        namelist: a namelist file or its groups, as in `run`.
        directory: where the program runs: paths in the namelist are relative to it.

    Raises:
        RunError: the program found a mistake; the message tells which.
        NamelistError: the namelist cannot be read or written.
        ProgramError: `da_cycle` is not there.
    """
    with _namelist_file(namelist, None, directory) as path:
        _execute(["--check", str(path)], 1, directory, None)


def defaults() -> str:
    """Every group and key with its default and its meaning: a complete, commented namelist.

    Raises:
        ProgramError: `da_cycle` is not there.
        RunError: the program failed.
    """
    return _execute(["--defaults"], 1, ".", None)


def output_path(namelist: str | os.PathLike[str]) -> Path:
    """The run file that a namelist file makes the program write: `&output file`, or NAME.nc.

    NAME is that of the namelist, without `.nml`; the file lies in the program's current folder.

    Raises:
        NamelistError: the namelist cannot be read.
    """
    groups = nml.resolve(nml.read(namelist), Path(namelist).parent)
    return _output(groups, Path(namelist))


def _output(groups: nml.Groups, namelist: Path | None) -> Path:
    """Without a namelist file, and for one from a pipe, the default is run.nc."""
    named = groups.get("output", {}).get("file")
    if named:
        return Path(named)
    if namelist is None or str(namelist).startswith(("/dev/", "/proc/")) or namelist.is_fifo():
        return Path("run.nc")
    return Path((namelist.name.removesuffix(".nml") or "run") + ".nc")


@contextmanager
def _namelist_file(
    namelist: NamelistLike,
    output: str | os.PathLike[str] | None,
    directory: str | os.PathLike[str],
) -> Iterator[Path]:
    """The namelist as a file; one that had to be made stands beside the output until the end."""
    if not isinstance(namelist, Mapping) and output is None:
        yield Path(namelist) if Path(directory) == Path() else Path(namelist).absolute()
        return
    if isinstance(namelist, Mapping):
        name, groups = "namelist", nml.merge(namelist, {})
    else:
        name, groups = str(namelist), nml.resolve(nml.read(namelist), Path(namelist).parent)
    named = os.fspath(output) if output is not None else str(_output(groups, None))
    groups = nml.merge(groups, {"output": {"file": named}})
    written = Path(directory) / named
    folder = written.parent.absolute()
    try:
        handle, made = tempfile.mkstemp(".nml", f".{written.stem}-", folder)
    except OSError as error:
        raise NamelistError(f"{folder}: {error.strerror}") from error
    os.close(handle)
    try:
        nml.write(groups, made)
        yield Path(made)
    except RunError as error:
        raise RunError(error.status, error.message.replace(made, name)) from None
    finally:
        Path(made).unlink()


def _execute(
    arguments: list[str], ranks: int, directory: str | os.PathLike[str], stream: TextIO | None
) -> str:
    """What the program writes to its standard output, which also goes to `stream`."""
    line = command(find_program(), arguments, ranks)
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            line,
            cwd=directory,
            env=environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            process_group=0,  # an interrupt at the keyboard reaches the program through _stop alone
        ) as process,
    ):
        try:
            shown = "".join(_forward(process, stream))
            status = process.wait()
        except BaseException:
            _stop(process)
            raise
        if status != 0:
            errors.seek(0)
            raise RunError(status, last_words(errors.read().decode(errors="replace"), status))
    return shown


def _forward(process: subprocess.Popen[bytes], stream: TextIO | None) -> Iterator[str]:
    """The output as it comes, in pieces: a progress bar ends no line."""
    assert process.stdout is not None
    decoder = getincrementaldecoder("utf-8")("replace")
    while piece := os.read(process.stdout.fileno(), PIECE_BYTES):
        shown = decoder.decode(piece)
        if stream is not None:
            stream.write(shown)
            stream.flush()
        yield shown


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Let the program write its checkpoint, which SIGTERM makes it do, and end."""
    process.terminate()
    try:
        process.wait(PATIENT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


def last_words(errors: str, status: int) -> str:
    """Why a run ended: the program's own line in `errors`, or else all of it, on one line."""
    lines = [line.strip() for line in errors.splitlines() if line.strip(" -")]
    for line in reversed(lines):
        if line.startswith(ERROR_PREFIX):
            return line.removeprefix(ERROR_PREFIX)
    return " ".join(lines)[-LONGEST_MESSAGE:] or f"da_cycle ended with status {status}"
