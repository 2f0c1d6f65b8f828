"""`dacycle run`."""

import warnings
from pathlib import Path

from dacycle.commands.arguments import Given, Parser, add_ranks
from dacycle.commands.terminal import complain, end_on_sigterm
from dacycle.errors import LostWarning

__all__ = ["EXAMPLES", "SUMMARY", "add_arguments", "run"]

SUMMARY = "run da_cycle on a namelist"
EXAMPLES = """\
dacycle run experiments/sakov2008.nml --ranks 2
dacycle run experiments/sakov2008.nml -o other.nc --quiet
"""


def add_arguments(parser: Parser) -> None:
    """A namelist, ranks, and how to begin."""
    parser.add_argument("namelist", type=Path, help="namelist file (see `dacycle defaults`)")
    add_ranks(parser, "MPI ranks")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="run file, in place of &output file"
    )
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument("--restart", action="store_true", help="go on from the last checkpoint")
    begin.add_argument("--fresh", action="store_true", help="begin anew in spite of a checkpoint")
    parser.add_argument("-q", "--quiet", action="store_true", help="show errors only")


def run(given: Given) -> int:
    """Run the program and wait for it."""
    from dacycle import runner

    end_on_sigterm()
    with warnings.catch_warnings():
        warnings.simplefilter("error", LostWarning)
        try:
            runner.run(
                given.namelist,
                given.ranks,
                output=given.output,
                restart=given.restart,
                fresh=given.fresh,
                progress=not given.quiet,
            ).close()
        except LostWarning as lost:
            complain(lost)
            return runner.LOST
    return 0
