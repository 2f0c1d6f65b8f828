"""`dacycle impact`."""

from dacycle.commands.arguments import Given, Parser, add_runs, positive
from dacycle.commands.terminal import console

__all__ = ["EXAMPLES", "SUMMARY", "add_arguments", "run"]

SUMMARY = "print what observations did to forecasts"
EXAMPLES = """\
dacycle impact run.nc
dacycle impact run.nc --regions 4
dacycle plot impact run.nc
"""


def add_arguments(parser: Parser) -> None:
    """Run files, and how finely the circle is divided."""
    add_runs(parser)
    parser.add_argument(
        "--regions", type=positive, default=8, metavar="N", help="arcs of the circle (default: 8)"
    )


def run(given: Given) -> int:
    """Print a table for each run."""
    from dacycle.report import impact_table
    from dacycle.run_file import open_run

    for path in given.runs:
        with open_run(path) as run:
            table = impact_table(run, given.regions)
        table.title = str(path)
        console().print(table)
    return 0
