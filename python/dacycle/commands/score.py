"""`dacycle score`."""

from contextlib import ExitStack
from pathlib import Path

from dacycle.commands.arguments import Given, Parser, add_runs
from dacycle.commands.terminal import FAILED, console, warn

__all__ = ["EXAMPLES", "SUMMARY", "add_arguments", "run"]

SUMMARY = "print the scores of runs side by side, and check them"
EXAMPLES = """\
dacycle score run.nc
dacycle score a.nc b.nc --published experiments/published.toml
"""


def add_arguments(parser: Parser) -> None:
    """Run files, and published scores to print beside theirs."""
    add_runs(parser)
    parser.add_argument(
        "--published", type=Path, metavar="FILE", help="TOML table of published scores"
    )


def run(given: Given) -> int:
    """Print the tables; scores that the file states otherwise are told, and end in status 1."""
    from dacycle.report import read_published, score_table, verification_table
    from dacycle.run_file import open_run
    from dacycle.verification.scores import disagreements
    from dacycle.verification.tables import table_disagreements

    published = read_published(given.published) if given.published else None
    with ExitStack() as stack:
        runs = {str(path): stack.enter_context(open_run(path)) for path in given.runs}
        console().print(score_table(runs, published))
        verified = verification_table(runs)
        if verified is not None:
            console().print(verified)
        wrong = [
            f"{path}: {line}"
            for path, run in runs.items()
            for line in disagreements(run) + table_disagreements(run)
        ]
    for line in wrong:
        warn(line)
    return FAILED if wrong else 0
