"""`dacycle plot`."""

from pathlib import Path

from dacycle.commands.arguments import Given, Parser, positive
from dacycle.commands.terminal import console
from dacycle.errors import RunFileError
from dacycle.plot.list import PICTURES

__all__ = ["EXAMPLES", "SUMMARY", "add_arguments", "run"]

SUMMARY = "draw the pictures of runs"
EXAMPLES = """\
dacycle plot run.nc
dacycle plot run.nc -o pictures --last 400
dacycle plot ranks spectra run.nc
"""


def add_arguments(parser: Parser) -> None:
    """Run files, before them the pictures that are wanted, and where these go."""
    parser.add_argument(
        "runs",
        type=Path,
        nargs="+",
        metavar="[NAME ...] run.nc",
        help="run files of da_cycle; before them, the pictures that are wanted: "
        f"{', '.join(PICTURES)} (default: all that there is data for)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="folder (default: that of the run file)"
    )
    parser.add_argument(
        "--last",
        type=positive,
        default=200,
        metavar="N",
        help="field records in the space-time picture (default: 200)",
    )


def run(given: Given) -> int:
    """Draw, and print the names of the files."""
    from dacycle.plot.draw import plot_run
    from dacycle.run_file import open_run

    terminal = console()
    names = [str(name) for name in given.runs if str(name) in PICTURES and not name.exists()]
    paths = [path for path in given.runs if str(path) not in names]
    if not paths:
        raise RunFileError(f"no run file is named, only pictures: {', '.join(names)}")
    for path in paths:
        folder = given.output or path.parent
        with open_run(path) as run, terminal.status(f"drawing {path}"):
            pictures = plot_run(run, folder, path.stem, given.last, names)
        for picture in pictures:
            terminal.print(str(picture))
    return 0
