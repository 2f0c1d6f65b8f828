"""Tables and single numbers in pages: written in place, between marks.

    <!-- table NAME: .venv/bin/python experiments/remake.py --only NAME -->
    ...
    <!-- end of NAME, made by COMMIT -->

A number in a text is `<!-- = NAME/CELL -->0.1986 ± 0.0004<!-- . -->`, and without its error
`<!-- ~ NAME/CELL -->0.1986<!-- . -->`.
"""

import json
import re
from pathlib import Path
from typing import Any

from remaking.spec import REPOSITORY, RESULTS, TABLES, Table, tables

COMMAND = ".venv/bin/python experiments/remake.py --only"
BLOCK = re.compile(
    r"<!-- table (\w+): [^\n]* -->\n(.*?)<!-- end of \1, made by ([^\n]*) -->\n", re.S
)
NUMBER = re.compile(r"<!-- ([=~]) (\S+) -->(.*?)<!-- \. -->", re.S)
FOLDERS = ("docs", "experiments", "models_export")


def pages() -> list[Path]:
    """All pages that may hold tables."""
    found = [REPOSITORY / "README.md"]
    return found + [page for name in FOLDERS for page in sorted((REPOSITORY / name).rglob("*.md"))]


def results(name: str) -> dict[str, Any]:
    """What was last made of a table: its commit, heads, rows and the numbers of its cells."""
    path = RESULTS / f"{name}.json"
    if not path.is_file():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def keep(name: str, made: dict[str, Any]) -> None:
    """Write the results of a table."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(made, indent=1, ensure_ascii=False)
    (RESULTS / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


def seeds_of(name: str) -> dict[str, dict[str, list[float]]]:
    """By row, RMSE seed by seed with the network and with what it stands for."""
    made = results(name)["cells"]
    return {
        row.text[0]: {
            "exact": made[f"{row.id}/exact"]["seeds"],
            "network": made[f"{row.id}/analysis_rmse"]["seeds"],
        }
        for row in tables()[name].rows
    }


def block(name: str, made: dict[str, Any]) -> str:
    """A table with its marks."""
    return (
        f"<!-- table {name}: {COMMAND} {name} -->\n\n{made['table']}\n"
        f"<!-- end of {name}, made by {made['commit']} -->\n"
    )


def markdown(heads: list[str], rows: list[list[str]]) -> str:
    """A table."""
    lines = [f"| {' | '.join(cells)} |" for cells in [heads, *rows]]
    return "\n".join([lines[0], "|---" * len(heads) + "|", *lines[1:]]) + "\n"


def filled(page: str) -> str:
    """The page with every table and number as the results have them.

    Raises:
        ValueError: a number is named that no table has.
    """

    def table(match: re.Match[str]) -> str:
        made = results(match[1])
        return block(match[1], made) if made else match[0]

    def number(match: re.Match[str]) -> str:
        name, _, cell = match[2].partition("/")
        made = results(name)
        if not made:
            if not (TABLES / f"{name}.toml").is_file():
                raise ValueError(f"{match[2]}: there is no table {name}")
            return match[0]
        if cell not in made["cells"]:
            raise ValueError(f"{match[2]}: table {name} has no such cell")
        text = made["cells"][cell]["text"]
        shown = text if match[1] == "=" else text.partition(" ±")[0]
        return f"<!-- {match[1]} {match[2]} -->{shown}<!-- . -->"

    return NUMBER.sub(number, BLOCK.sub(table, page))


def refresh() -> list[Path]:
    """Write what has changed into the pages; those that it changed."""
    changed = []
    for page in pages():
        text = page.read_text(encoding="utf-8")
        new = filled(text)
        if new != text:
            page.write_text(new, encoding="utf-8")
            changed.append(page)
    return changed


def mistakes(known: dict[str, Table]) -> list[str]:
    """Where pages, tables and results do not agree: a line each."""
    lines = []
    places: dict[str, list[Path]] = {}
    for page in pages():
        text = page.read_text(encoding="utf-8")
        for match in BLOCK.finditer(text):
            places.setdefault(match[1], []).append(page)
        begun = re.findall(r"<!-- table (\w+):", text)
        whole = [match[1] for match in BLOCK.finditer(text)]
        if begun != whole:
            lines.append(f"{page.name}: a table begins and does not end: {set(begun) - set(whole)}")
        try:
            if filled(text) != text:
                lines.append(f"{page.name}: is not what results/ holds: run remake.py --refresh")
        except ValueError as error:
            lines.append(f"{page.name}: {error}")
    for name, table in known.items():
        if places.get(name, []) != [table.page]:
            where = [page.name for page in places.get(name, [])]
            lines.append(f"table {name} belongs into {table.page.name} once, and is in {where}")
        made = results(name)
        if not made:
            lines.append(f"table {name} was never made")
        elif not table.command and made["rows"] != [row.id for row in table.rows]:
            lines.append(f"table {name}: has other rows than its results: make it again")
    lines += [f"table {name} is in no file of tables/" for name in places if name not in known]
    return lines
