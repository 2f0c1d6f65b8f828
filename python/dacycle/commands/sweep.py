"""`dacycle sweep`."""

from pathlib import Path

from dacycle.commands.arguments import Given, Parser, add_ranks, positive
from dacycle.commands.terminal import FAILED, console, end_on_sigterm

__all__ = ["EXAMPLES", "SUMMARY", "add_arguments", "run"]

SUMMARY = "search namelist keys for the smallest error, and print the map"
EXAMPLES = """\
dacycle sweep experiments/sweep_letkf.toml -o output/sweep_letkf
dacycle sweep mine.toml --jobs 4        # a second call does what is missing
"""


def add_arguments(parser: Parser) -> None:
    """A plan, and how it is carried out."""
    parser.add_argument("plan", type=Path, metavar="SWEEP.toml", help="what to sweep")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="folder (default: SWEEP, in this one)"
    )
    parser.add_argument(
        "-j", "--jobs", type=positive, metavar="J", help="runs at a time (default: one a core)"
    )
    add_ranks(parser, "MPI ranks a run")
    parser.add_argument("--fresh", action="store_true", help="forget the runs that are there")
    parser.add_argument("-q", "--quiet", action="store_true", help="show the map only")


def run(given: Given) -> int:
    """Do the runs that are missing, and print the map."""
    from dacycle.sweep.command import run_sweep

    end_on_sigterm()
    sound = run_sweep(
        given.plan,
        given.output,
        console(),
        jobs=given.jobs,
        ranks=given.ranks,
        fresh=given.fresh,
        quiet=given.quiet,
    )
    return 0 if sound else FAILED
