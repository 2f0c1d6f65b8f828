"""Write docs/namelist.md from what `da_cycle --defaults` prints.

docs/make_namelist_reference.py [PROGRAM]      (default: bin/da_cycle)
"""

import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "namelist.md"

INTRODUCTION = """\
# Namelist reference

Made by `docs/make_namelist_reference.py` from `da_cycle --defaults`; a test keeps the two the same.
`da_cycle --defaults > run.nml` gives a complete namelist to start from,
`da_cycle --check run.nml` checks one, and every file that it names, without running it.

- A group that is left out has its defaults; so has a key that is left out.
- Nothing is ignored. An unknown group or key, a group or key that the chosen scheme has no use for,
  a wrong type, a value out of range, a repeated group or key: each ends the run before it begins,
  with one line that names file, line, group and key, and exit status 2.
- A number is 0, or between 1e-30 and 1e9 in size: beyond lie slips of the pen, whose
  squares are not finite.
- Groups and keys are of either case. Strings stand in quotes of either kind. A list is separated by
  commas, blanks or line ends; `3*1.0` repeats. `!` begins a comment, `/` or `&end` ends a group.
  Elements are not set one by one: `positions(2) = 1.0` is refused.
- `&truth_NAME` sets the model of a twin's truth. What it leaves out is as in `&NAME`, so it holds
  only what differs.
- EnKF-N chooses its inflation itself: with it, `posterior` in `&inflation` is 1 by default.
- A path is relative to the directory in which the program is started. One that begins with `@/`, in
  `&truth file` and `&observations file`, is relative to the namelist's own directory.
- The namelist in effect, defaults included, is written into the output file (attribute `namelist`).
"""


@dataclass
class Group:
    """A namelist group: its keys are (name, default, meaning), in order."""

    name: str
    summary: str
    keys: list[tuple[str, str, str]] = field(default_factory=list)


def page(defaults: str) -> str:
    """The reference, as Markdown, of the commented namelist `defaults`."""
    return "\n".join([INTRODUCTION, *(_section(group) for group in _groups(defaults))])


def _groups(defaults: str) -> list[Group]:
    groups: list[Group] = []
    comment: list[str] = []
    for line in defaults.splitlines():
        # Groups of schemes that are not the default are commented out.
        bare = re.sub(r"^! (?=&|/| {3})", "", line)
        if begins := re.match(r"&(\w+)$", bare):
            groups.append(Group(begins[1], " ".join(comment)))
            comment = []
        elif key := re.match(r" +(\w+) = (.*)$", bare) or re.match(
            r" +! (\w+) =( *(?:!.*)?)$", bare
        ):
            value, meaning = _parted(key[2])
            groups[-1].keys.append((key[1], value, " ".join([*comment, meaning]).strip()))
            comment = []
        elif text := re.match(r" *! (.*)$", bare):
            comment.append(text[1])
    return groups


def _parted(text: str) -> tuple[str, str]:
    """A value and the comment after it."""
    parted = re.fullmatch(r"((?:'[^']*'|[^'!])*)(?:!(.*))?", text)
    assert parted is not None, text
    return parted[1].strip(), (parted[2] or "").strip()


def _section(group: Group) -> str:
    rows = [
        f"| `{name}` | {f'`{value}`' if value else 'none'} | {_escaped(meaning)} |"
        for name, value, meaning in group.keys
    ]
    table = ["| key | default | meaning |", "|---|---|---|", *rows]
    return "\n".join([f"## &{group.name}", "", f"{group.summary}.", "", *table, ""])


def _escaped(text: str) -> str:
    """Text in which Markdown sees no table and no tag."""
    return re.sub(r"[|<]", r"\\\g<0>", text)


def main() -> None:
    """Write the page."""
    program = sys.argv[1] if len(sys.argv) > 1 else str(REPOSITORY / "bin" / "da_cycle")
    done = subprocess.run([program, "--defaults"], capture_output=True, text=True, check=True)
    PAGE.write_text(page(done.stdout), encoding="utf-8")


if __name__ == "__main__":
    main()
