"""Tables as experiments/tables/*.toml describe them: rows of settings, columns of what is shown.

    page       where the table stands, between its marks
    text       heads of the columns of text
    cycles, burn_in, seeds, lost_above      if others than those of `protocol`; `why` says why
    base       the namelist of all rows
    column     head; show: a score, or one of `cells.SHOWN`; over: namelist keys, over the row's
    row        id, text, GROUP.KEY of the namelist, and the WORDS below

In texts `{group.key}` stands for the row's setting. A row's `namelist` names a file to begin with.
Its `tune` holds a grid, `{"group.key" = [values]}`: the values that `tune.py` chose on the tuning
seeds stand in chosen.json, and are laid over the row's.

A table with `command` in place of rows is what that script prints. `picture` is a script that is
called afterwards, `prepare` one before; `{seed}` in a text of a namelist is the run's seed.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dacycle import namelist as nml
from remaking import protocol

EXPERIMENTS = Path(__file__).resolve().parents[1]
REPOSITORY = EXPERIMENTS.parent
TABLES = EXPERIMENTS / "tables"
CHOSEN = EXPERIMENTS / "chosen.json"
RESULTS = EXPERIMENTS / "results"

TABLE_WORDS = {
    "page", "text", "cycles", "burn_in", "seeds", "lost_above", "why", "base", "column", "row",
    "command", "minutes", "picture", "prepare",
}  # fmt: skip
COLUMN_WORDS = {"head", "show", "over", "key", "tune"}
ROW_WORDS = {
    "id", "text", "namelist", "tune", "only", "at", "published", "tolerance", "lost_above",
    "cycles", "seeds", "note", "screening",
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        head: of it.
        show: what of a run.
        over: namelist keys, over the row's.
        key: by which rows name it.
        tune: the grid that its settings are chosen from, where the row has none.
    """

    head: str
    show: str
    over: nml.Groups = field(default_factory=dict)
    key: str = ""
    tune: dict[str, list[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """A row: its texts, its namelist, and what else it says (ROW_WORDS)."""

    id: str
    text: tuple[str, ...]
    groups: nml.Groups
    words: dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """Where a row and a column meet.

    Attributes:
        column: of it.
        groups: the whole namelist.
        seeds: of its runs.
        lost_above: the limit beyond which the truth is lost.
        name: by which choices and results are kept.
        grid: that its settings are chosen from; empty if they are given.
    """

    row: Row
    column: Column
    groups: nml.Groups
    seeds: tuple[int, ...]
    lost_above: float
    name: str
    grid: dict[str, list[Any]]


@dataclass(frozen=True)
class Table:
    """A table; one with a command has neither columns nor rows."""

    name: str
    page: Path
    text: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    rows: tuple[Row, ...] = ()
    words: dict[str, Any] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """The script that prints it, with arguments; empty if rows make it."""
        return str(self.words.get("command", ""))

    @property
    def minutes(self) -> float:
        """Above 0: it takes so long, and is made only where it is named."""
        return float(self.words.get("minutes", 0))

    def cells(self, row: Row) -> list[Cell | None]:
        """One a column, none where the row has nothing to show."""
        only = row.words.get("only")
        return [
            None if only is not None and column.key not in only else self._cell(row, column)
            for column in self.columns
        ]

    def _cell(self, row: Row, column: Column) -> Cell:
        words = self.words | row.words
        length = {
            "cycles": words.get("cycles", protocol.CYCLES + protocol.BURN_IN),
            "burn_in": words.get("burn_in", protocol.BURN_IN),
        }
        if "namelist" in row.words:
            length = {}
        groups = nml.merge({"cycle": length} if length else {}, row.groups)
        groups = nml.merge(groups, column.over)
        groups = nml.merge(groups, row.words.get("at", {}).get(column.key, {}))
        name = f"{row.id}/{column.key}" if column.key else row.id
        groups = _paths(nml.merge(groups, chosen(self.name, name)))
        grid = row.words.get("tune", column.tune)
        return Cell(
            row, column, groups, tuple(words.get("seeds", protocol.SCORING)),
            float(words.get("lost_above", protocol.LOST_ABOVE)), name,
            grid if all("." in key for key in grid) else grid.get(column.key, {}),
        )  # fmt: skip


def tables() -> dict[str, Table]:
    """All tables, by name, in the order of their pages."""
    found = [read(path) for path in sorted(TABLES.glob("*.toml"))]
    return {one.name: one for one in sorted(found, key=lambda one: (one.page, one.name))}


def read(path: Path) -> Table:
    """A table of a file.

    Raises:
        ValueError: an entry is not known, or a row has more or fewer texts than there are heads.
    """
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    _known(path.stem, found, TABLE_WORDS)
    page = REPOSITORY / found["page"]
    if "command" in found:
        return Table(path.stem, page, words=found)
    columns = tuple(_column(path.stem, one) for one in found["column"])
    rows = tuple(_row(path.stem, one, found) for one in found["row"])
    if len({row.id for row in rows}) < len(rows):
        raise ValueError(f"table {path.stem}: two rows of one id")
    return Table(path.stem, page, tuple(found["text"]), columns, rows, found)


def _column(name: str, found: dict[str, Any]) -> Column:
    _known(f"{name}, column", found, COLUMN_WORDS)
    return Column(
        found["head"], found["show"], found.get("over", {}), found.get("key", ""),
        found.get("tune", {}),
    )  # fmt: skip


def _row(name: str, found: dict[str, Any], table: dict[str, Any]) -> Row:
    words = {key: value for key, value in found.items() if key in ROW_WORDS}
    groups = {key: value for key, value in found.items() if key not in ROW_WORDS}
    where = f"{name}, row {words.get('id', '?')!r}"
    _known(where, {key: 0 for key, value in groups.items() if not isinstance(value, dict)}, set())
    text = tuple(words["text"])
    if len(text) != len(table["text"]):
        raise ValueError(f"table {where}: {len(text)} texts, not {len(table['text'])}")
    begun: nml.Groups = table.get("base", {})
    if "namelist" in words:
        file = REPOSITORY / words["namelist"]
        begun = nml.merge(nml.resolve(nml.read(file), file.parent), begun)
    return Row(words["id"], text, nml.merge(begun, groups), words)


def _paths(groups: nml.Groups) -> nml.Groups:
    """Networks and input files are named from the top of the repository."""
    return {
        group: {
            key: str(REPOSITORY / value) if str(value).endswith((".pt", ".nc")) else value
            for key, value in keys.items()
        }
        for group, keys in groups.items()
    }


def _known(where: str, found: dict[str, Any], words: set[str]) -> None:
    unknown = sorted(found.keys() - words)
    if unknown:
        raise ValueError(f"table {where}: unknown entry {unknown[0]!r}")


def chosen(table: str, cell: str) -> nml.Groups:
    """The settings chosen for a cell of a table; empty if none are."""
    if not CHOSEN.is_file():
        return {}
    found = json.loads(CHOSEN.read_text(encoding="utf-8")).get(f"{table}/{cell}")
    return grouped(found["setting"]) if found else {}


def grouped(setting: dict[str, Any]) -> nml.Groups:
    """`{"group.key": value}` as a namelist."""
    groups: nml.Groups = {}
    for name, value in setting.items():
        group, _, key = name.partition(".")
        groups.setdefault(group, {})[key] = value
    return groups


def filled(text: str, groups: nml.Groups) -> str:
    """The text with the namelist's values in place of `{group.key}`."""

    def value(match: re.Match[str]) -> str:
        found = groups[match[1]][match[2]]
        return f"{found:g}" if isinstance(found, float) else str(found)

    return re.sub(r"\{(\w+)\.(\w+)\}", value, text)


def tuned(table: Table) -> Iterator[Cell]:
    """The cells whose settings are chosen."""
    seen = set()
    for row in table.rows:
        for cell in table.cells(row):
            if cell is not None and cell.grid and cell.name not in seen:
                seen.add(cell.name)
                yield cell
