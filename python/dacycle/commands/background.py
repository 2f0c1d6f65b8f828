"""`dacycle background`."""

from pathlib import Path

from dacycle.commands.arguments import Given, Parser, positive, time
from dacycle.commands.terminal import console

__all__ = ["EXAMPLES", "SUMMARY", "add_arguments", "run"]

SUMMARY = "estimate the background-error covariance B from a run"
EXAMPLES = """\
dacycle background run.nc --method nmc --leads 0.2 0.4 -o b.nc
dacycle background free.nc --method climatology -o b.nc
"""


def add_arguments(parser: Parser) -> None:
    """A run file, and how covariances are taken from it."""
    parser.add_argument("run", type=Path, metavar="run.nc", help="run file of da_cycle")
    parser.add_argument(
        "--method",
        choices=["climatology", "nmc", "ensemble"],
        required=True,
        help="states of a free run; differences of two forecasts from a run's analyses that are "
        "valid at the same time; deviations of members from their mean",
    )
    parser.add_argument(
        "--leads",
        type=time,
        nargs="+",
        default=[],
        metavar="T",
        help="nmc: the two leads, model time; ensemble: how far members are forecast (default: 0)",
    )
    parser.add_argument(
        "--lags",
        type=positive,
        metavar="L",
        help="covariances end after L points (default: half the circle, at most 32)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("b.nc"),
        metavar="FILE",
        help="file for &background (default: b.nc); a picture goes beside it",
    )


def run(given: Given) -> int:
    """Estimate B, write its file and draw it."""
    from dacycle.background.command import estimate_background

    estimate_background(
        given.run,
        given.output,
        console(),
        method=given.method,
        leads=given.leads,
        lags=given.lags,
    )
    return 0
