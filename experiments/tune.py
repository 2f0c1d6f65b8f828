"""Choose the settings that tables leave to be tuned, on the tuning seeds: chosen.json.

.venv/bin/python experiments/tune.py [--only NAME …] [--cell TEXT] [--again]

The grids stand in tables/*.toml (`tune`). What was chosen is kept, with all that was tried, and
laid over the row's settings by remake.py; --again chooses anew.
"""

import argparse
import json
import sys
from typing import Any

from remaking import scripts, spec, tuning
from remaking.runs import Runner

from dacycle.sweep.execute import cores


def main() -> int:
    """Choose what is not chosen yet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="tables")
    parser.add_argument("--cell", default="", metavar="TEXT", help="cells whose name holds TEXT")
    parser.add_argument("--again", action="store_true", help="choose anew what is chosen")
    parser.add_argument("--jobs", type=int, default=cores(), help="runs at a time")
    given = parser.parse_args()
    runner = Runner(given.jobs)
    failed = 0
    wanted = [one for one in spec.tables().values() if not given.only or one.name in given.only]
    scripts.prepare(wanted, given.jobs)
    for table in wanted:
        for cell in spec.tuned(table):
            known = read()
            name = f"{table.name}/{cell.name}"
            found = known.get(name)
            if given.cell not in name:
                continue
            if found and found["grid"] == cell.grid and not given.again:
                continue
            try:
                known[name] = tuning.choose(cell, runner)
            except ValueError as error:
                sys.stdout.write(f"{error}\n")
                failed += 1
                continue
            write(known)
            sys.stdout.write(f"{name}: {known[name]['setting']}\n")
            sys.stdout.flush()
    return 1 if failed else 0


def read() -> dict[str, Any]:
    """What is chosen."""
    if not spec.CHOSEN.is_file():
        return {}
    found: dict[str, Any] = json.loads(spec.CHOSEN.read_text(encoding="utf-8"))
    return found


def write(known: dict[str, Any]) -> None:
    """Keep it, a point a line."""
    lines = []
    for name, one in sorted(known.items()):
        parts = []
        for key, value in one.items():
            if isinstance(value, dict) and "points" in value:
                points = ",\n    ".join(json.dumps(point) for point in value["points"])
                head = json.dumps({k: v for k, v in value.items() if k != "points"})[:-1]
                parts.append(f'  "{key}": {head}, "points": [\n    {points}]}}')
            else:
                parts.append(f'  "{key}": {json.dumps(value)}')
        lines.append(f"{json.dumps(name)}: {{\n" + ",\n".join(parts) + "}")
    spec.CHOSEN.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
