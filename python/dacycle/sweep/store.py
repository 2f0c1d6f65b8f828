"""The runs of a sweep on disk: one line of JSON a run, appended as it ends.

The first line tells the settings of the sweep. Lines are only ever added, so that a kill loses at
most the runs in flight; a line that was cut short is dropped when the file is opened again.
"""

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dacycle.errors import SweepError
from dacycle.sweep.plan import Point

__all__ = ["DIVERGED", "DONE", "FAILED", "Row", "Store"]

DONE, DIVERGED, FAILED = "done", "diverged", "failed"
"""A run to its end; one whose ensemble was lost; one that the machine, not the filter, ended."""

Header = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One run.

    Attributes:
        point: the values of the swept keys.
        seed: of the run.
        outcome: `done`, `diverged` or `failed`.
        scores: time mean by name of score; none where the run did not end, or has no value.
        message: what the program said when it did not end well.
        seconds: from start to end.
    """

    point: Point
    seed: int
    outcome: str
    scores: dict[str, float]
    message: str
    seconds: float

    @property
    def key(self) -> str:
        """What the row is found by."""
        return row_key(self.point, self.seed)


def row_key(point: Mapping[str, Any], seed: int) -> str:
    """A point and a seed as one text."""
    return json.dumps([dict(sorted(point.items())), seed])


class Store:
    """The file of rows, held by one sweep at a time."""

    def __init__(self, path: Path, header: Header, *, fresh: bool = False) -> None:
        """Open or make the file at `path`; with `fresh` without the rows that it may hold.

        Raises:
            SweepError: it holds rows of other settings, is in use, or cannot be read or written.
        """
        self._path = path
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise SweepError(f"{path}: {error.strerror}") from error
        try:
            self._lock()
            self.rows = self._read(header, fresh)
        except BaseException:
            os.close(self._file)
            raise

    def add(self, row: Row) -> None:
        """Keep a row, on disk before this returns.

        Raises:
            SweepError: it cannot be written.
        """
        self._append(asdict(row))
        self.rows[row.key] = row

    def latest(self, point: Point, seed: int) -> Row:
        """The last row of a point and seed, of which there is one."""
        return self.rows[row_key(point, seed)]

    def find(self, point: Point, seed: int) -> Row | None:
        """The row of a point and seed, if that run ended; a failed one is to be run again."""
        row = self.rows.get(row_key(point, seed))
        return row if row is not None and row.outcome != FAILED else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._file)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SweepError(f"{self._path}: another sweep is at work there") from error

    def _read(self, header: Header, fresh: bool) -> dict[str, Row]:
        if fresh:
            os.ftruncate(self._file, 0)
        data = self._path.read_bytes()
        whole = data.rfind(b"\n") + 1
        lines = data[:whole].splitlines()
        if not lines:
            os.ftruncate(self._file, 0)
            self._append(header)
            return {}
        try:
            found, *rows = [json.loads(line) for line in lines]
            difference = _difference(found, json.loads(json.dumps(header)))
            loaded = [Row(**row) for row in rows] if not difference else []
        except (ValueError, TypeError, AttributeError) as error:
            raise SweepError(f"{self._path}: holds no runs of a sweep") from error
        if difference:
            raise SweepError(
                f"{self._path}: holds runs of other settings: {difference} "
                "(name another folder with --output, or begin anew with --fresh)"
            )
        os.ftruncate(self._file, whole)
        return {row.key: row for row in loaded}

    def _append(self, entry: Mapping[str, Any]) -> None:
        line = f"{json.dumps(entry, allow_nan=False)}\n".encode()
        try:
            if os.write(self._file, line) < len(line):
                raise SweepError(f"{self._path}: no space left")
            os.fsync(self._file)
        except OSError as error:
            raise SweepError(f"{self._path}: {error.strerror}") from error


def _difference(found: Header, wanted: Header, place: str = "") -> str:
    """The first entry in which two headers differ, in words; empty if there is none."""
    for name in [*found, *(name for name in wanted if name not in found)]:
        here = f"{place}.{name}" if place else name
        old, new = found.get(name), wanted.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            if below := _difference(old, new, here):
                return below
        elif old != new:
            return f"{here} is {_shown(old)} there, {_shown(new)} here"
    return ""


def _shown(value: Any) -> str:
    return "not set" if value is None else json.dumps(value)
