"""The command `dacycle`: run, check, score and picture, each a subcommand."""

import argparse
import math
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dacycle import runner
from dacycle.commands import adopt as adopting
from dacycle.errors import DacycleError, LostWarning, RunError, RunFileError, TrainingError
from dacycle.report import impact_table, read_published, score_table, verification_table
from dacycle.run_file import open_run
from dacycle.verification.scores import disagreements
from dacycle.verification.tables import table_disagreements

__all__ = ["main"]

TRAININGS = ("dan", "emulator", "correction", "observation")
"""As `dacycle.training.kinds` has them, which needs PyTorch to be read."""

UNBOUNDED = 10_000
"""Columns of text."""

BAD_INPUT = 2
FAILED = 1
INTERRUPTED = 130
TERMINATED = 143
"""128 + SIGINT and 128 + SIGTERM, as shells count."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit status.

    A mistake of the user ends in one line on standard error and status 2, or the status of
    `da_cycle` if it was the program that refused.
    """
    given = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = given.command
    try:
        return command(given)
    except RunError as error:
        return _complain(error, error.status if error.status > 0 else FAILED)
    except DacycleError as error:
        return _complain(error, BAD_INPUT)
    except KeyboardInterrupt:
        sys.stderr.write("dacycle: interrupted\n")
        return INTERRUPTED


def _run(given: argparse.Namespace) -> int:
    # A batch system ends a job with SIGTERM: the program behind us is to write its checkpoint.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
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
            return _complain(lost, runner.LOST)
    return 0


def _check(given: argparse.Namespace) -> int:
    runner.check(given.namelist)
    _console().print(f"{given.namelist}: no mistake found")
    return 0


def _defaults(_: argparse.Namespace) -> int:
    sys.stdout.write(runner.defaults())
    return 0


def _score(given: argparse.Namespace) -> int:
    published = read_published(given.published) if given.published else None
    with ExitStack() as stack:
        runs = {str(path): stack.enter_context(open_run(path)) for path in given.runs}
        _console().print(score_table(runs, published))
        verified = verification_table(runs)
        if verified is not None:
            _console().print(verified)
        wrong = [
            f"{path}: {line}"
            for path, run in runs.items()
            for line in disagreements(run) + table_disagreements(run)
        ]
    for line in wrong:
        Console(stderr=True, soft_wrap=True, highlight=False).print(f"dacycle: warning: {line}")
    return FAILED if wrong else 0


def _impact(given: argparse.Namespace) -> int:
    for path in given.runs:
        with open_run(path) as run:
            table = impact_table(run, given.regions)
        table.title = str(path)
        _console().print(table)
    return 0


def _plot(given: argparse.Namespace) -> int:
    from dacycle.plot import NAMES, plot_run  # matplotlib, a second to load: only here

    console = _console()
    names = [str(name) for name in given.runs if str(name) in NAMES and not name.exists()]
    paths = [path for path in given.runs if str(path) not in names]
    if not paths:
        raise RunFileError(f"no run file is named, only pictures: {', '.join(names)}")
    for path in paths:
        folder = given.output or path.parent
        with open_run(path) as run, console.status(f"drawing {path}"):
            pictures = plot_run(run, folder, path.stem, given.last, names)
        for picture in pictures:
            console.print(str(picture))
    return 0


def _sweep(given: argparse.Namespace) -> int:
    from dacycle.sweep.command import run_sweep  # matplotlib, a second to load: only here

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    sound = run_sweep(
        given.plan,
        given.output,
        _console(),
        jobs=given.jobs,
        ranks=given.ranks,
        fresh=given.fresh,
        quiet=given.quiet,
    )
    return 0 if sound else FAILED


def _background(given: argparse.Namespace) -> int:
    from dacycle.background.command import estimate_background  # matplotlib: only here

    estimate_background(
        given.run,
        given.output,
        _console(),
        method=given.method,
        leads=given.leads,
        lags=given.lags,
    )
    return 0


def _train(given: argparse.Namespace) -> int:
    _need_torch()
    from dacycle.training.command import run_training  # PyTorch, seconds to load: only here
    from dacycle.training.plan import defaults

    if given.defaults:
        sys.stdout.write(defaults(given.kind))
        return 0
    if given.config is None:
        raise TrainingError(
            f"no configuration is given: `dacycle train {given.kind} --defaults` prints one"
        )
    console = _console()
    say = _silent if given.quiet else console.print
    folder = given.output or Path(given.config.stem)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=given.quiet or not console.is_terminal,
    )
    with bar:
        task = bar.add_task(given.kind, total=None)
        stopped_by = run_training(
            given.kind,
            given.config,
            folder,
            say,
            fresh=given.fresh,
            change=given.change,
            watch=lambda done, last: bar.update(task, completed=done, total=last),
        )
    return 128 + stopped_by if stopped_by else 0


def _export(given: argparse.Namespace) -> int:
    _need_torch()
    from dacycle.export import export_training  # PyTorch, seconds to load: only here

    console = _console()
    path: Path = given.training
    if path.is_file() and not given.aoti:
        raise DacycleError(
            f"{path}: is a file, not the folder of a training: `dacycle adopt` takes over "
            "TorchScript files, --aoti compiles a network of dacycle"
        )
    if path.is_dir() or not given.aoti:
        command = f"dacycle export {path}" + (f" --dtype {given.dtype}" * bool(given.dtype))
        path = export_training(
            path,
            given.output or Path("models_export"),
            console.print,
            dtype=given.dtype,
            command=command,
        )
        console.print(str(path))
    elif given.dtype:
        raise DacycleError(f"--dtype: {path} has its precision; export the training anew")
    if given.aoti:
        from dacycle.network.package import compile_file  # the compiler, seconds more

        with console.status(f"compiling {path}"):
            path = compile_file(path, given.output or path.parent)
        console.print(str(path))
    return 0


def _adopt(given: argparse.Namespace) -> int:
    _need_torch()
    adopting.adopt(given, _console().print)
    return 0


def _validate(given: argparse.Namespace) -> int:
    _need_torch()
    from dacycle.validate import validate, validation_table

    sound = True
    for path in given.networks:
        metadata, checks = validate(path)
        _console().print(validation_table(f"{path}: {metadata.role} {metadata.name}", checks))
        sound = sound and all(check.passed for check in checks)
    return 0 if sound else FAILED


def _need_torch() -> None:
    if find_spec("torch") is None:
        raise DacycleError("networks need PyTorch, which is not installed: bin/setup installs it")


def _silent(*_: object) -> None:
    pass


def _console() -> Console:
    # Where there is no terminal there is no width to fit into: tables stay unbroken in a log.
    width = None if sys.stdout.isatty() else UNBOUNDED
    return Console(width=width, highlight=False, markup=False)


def _complain(error: Exception, status: int) -> int:
    sys.stderr.write(f"dacycle: error: {error}\n")
    return status


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 on, not {text!r}")
    return int(text)


def _time(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a model time, at least 0, not {text!r}")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dacycle",
        description="Cycled data assimilation on the Lorenz-96 family.",
        epilog="`dacycle COMMAND --help` tells more, with examples.",
    )
    parser.add_argument("--version", action="version", version=f"dacycle {version('dacycle')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")

    run = _command(
        commands,
        "run",
        _run,
        "run da_cycle on a namelist",
        "dacycle run experiments/sakov2008.nml --ranks 2\n"
        "dacycle run experiments/sakov2008.nml -o other.nc --quiet",
    )
    run.add_argument("namelist", type=Path, help="namelist file (see `dacycle defaults`)")
    run.add_argument(
        "-n", "--ranks", type=_positive, default=1, metavar="N", help="MPI ranks (default: 1)"
    )
    run.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="run file, in place of &output file"
    )
    begin = run.add_mutually_exclusive_group()
    begin.add_argument("--restart", action="store_true", help="go on from the last checkpoint")
    begin.add_argument("--fresh", action="store_true", help="begin anew in spite of a checkpoint")
    run.add_argument("-q", "--quiet", action="store_true", help="show errors only")

    plot = _command(
        commands,
        "plot",
        _plot,
        "draw the pictures of runs",
        "dacycle plot run.nc\ndacycle plot run.nc -o pictures --last 400\n"
        "dacycle plot ranks spectra run.nc",
    )
    plot.add_argument(
        "runs",
        type=Path,
        nargs="+",
        metavar="[NAME ...] run.nc",
        help="run files of da_cycle; before them, the pictures that are wanted: scores, "
        "hovmoeller, innovations, desroziers, spectra, impact, convergence, hessian, ranks, "
        "reliability, skill (default: all that there is data for)",
    )
    plot.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="folder (default: that of the run file)"
    )
    plot.add_argument(
        "--last",
        type=_positive,
        default=200,
        metavar="N",
        help="field records in the space-time picture (default: 200)",
    )

    score = _command(
        commands,
        "score",
        _score,
        "print the scores of runs side by side, and check them",
        "dacycle score run.nc\ndacycle score a.nc b.nc --published experiments/published.toml",
    )
    _add_runs(score)
    score.add_argument(
        "--published", type=Path, metavar="FILE", help="TOML table of published scores"
    )

    impact = _command(
        commands,
        "impact",
        _impact,
        "print what observations did to forecasts",
        "dacycle impact run.nc\ndacycle impact run.nc --regions 4\ndacycle plot impact run.nc",
    )
    _add_runs(impact)
    impact.add_argument(
        "--regions", type=_positive, default=8, metavar="N", help="arcs of the circle (default: 8)"
    )

    sweep = _command(
        commands,
        "sweep",
        _sweep,
        "search namelist keys for the smallest error, and print the map",
        "dacycle sweep experiments/sweep_letkf.toml -o output/sweep_letkf\n"
        "dacycle sweep mine.toml --jobs 4        # a second call does what is missing",
    )
    sweep.add_argument("plan", type=Path, metavar="SWEEP.toml", help="what to sweep")
    sweep.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="folder (default: SWEEP, in this one)"
    )
    sweep.add_argument(
        "-j", "--jobs", type=_positive, metavar="J", help="runs at a time (default: one a core)"
    )
    sweep.add_argument(
        "-n", "--ranks", type=_positive, default=1, metavar="N", help="MPI ranks a run (default: 1)"
    )
    sweep.add_argument("--fresh", action="store_true", help="forget the runs that are there")
    sweep.add_argument("-q", "--quiet", action="store_true", help="show the map only")

    background = _command(
        commands,
        "background",
        _background,
        "estimate the background-error covariance B from a run",
        "dacycle background run.nc --method nmc --leads 0.2 0.4 -o b.nc\n"
        "dacycle background free.nc --method climatology -o b.nc",
    )
    background.add_argument("run", type=Path, metavar="run.nc", help="run file of da_cycle")
    background.add_argument(
        "--method",
        choices=["climatology", "nmc", "ensemble"],
        required=True,
        help="states of a free run; differences of two forecasts from a run's analyses that are "
        "valid at the same time; deviations of members from their mean",
    )
    background.add_argument(
        "--leads",
        type=_time,
        nargs="+",
        default=[],
        metavar="T",
        help="nmc: the two leads, model time; ensemble: how far members are forecast (default: 0)",
    )
    background.add_argument(
        "--lags",
        type=_positive,
        metavar="L",
        help="covariances end after L points (default: half the circle, at most 32)",
    )
    background.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("b.nc"),
        metavar="FILE",
        help="file for &background (default: b.nc); a picture goes beside it",
    )

    train = _command(
        commands,
        "train",
        _train,
        "train a network",
        "dacycle train dan --defaults > dan.toml\n"
        "dacycle train dan dan.toml -o trainings/dan     # a second call goes on\n"
        "touch trainings/dan/finish                      # let the learning rate decay, and end",
    )
    train.add_argument("kind", choices=TRAININGS, help="of network: dan, the analysis of a filter")
    train.add_argument("config", type=Path, nargs="?", metavar="CONFIG.toml", help="settings")
    train.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="folder (default: CONFIG, in this one)"
    )
    train.add_argument("--defaults", action="store_true", help="print a complete configuration")
    begin = train.add_mutually_exclusive_group()
    begin.add_argument("--fresh", action="store_true", help="begin anew in spite of a checkpoint")
    begin.add_argument(
        "--change", action="store_true", help="go on although the settings of the data are others"
    )
    train.add_argument("-q", "--quiet", action="store_true", help="show errors only")

    export = _command(
        commands,
        "export",
        _export,
        "write a trained network into a file that da_cycle can use",
        "dacycle export trainings/dan                    # models_export/dan.pt and its card\n"
        "dacycle export trainings/dan --dtype float64\n"
        "dacycle export models_export/dan.pt --aoti      # models_export/dan.pt2, for this machine",
    )
    export.add_argument(
        "training",
        type=Path,
        metavar="DIR",
        help="folder of the training; with --aoti also a file that was exported",
    )
    export.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        help="folder (default: models_export, or that of the file)",
    )
    export.add_argument(
        "--aoti",
        action="store_true",
        help="also compile the network for this machine: NAME.pt2, which da_cycle takes as well",
    )
    export.add_argument(
        "--dtype", choices=("float32", "float64"), help="precision (default: the training's)"
    )

    adopt = _command(commands, "adopt", _adopt, adopting.SUMMARY, adopting.EXAMPLES)
    adopting.add_arguments(adopt)

    validate = _command(
        commands,
        "validate",
        _validate,
        "test an exported network",
        "dacycle validate models_export/dan.pt",
    )
    validate.add_argument(
        "networks", type=Path, nargs="+", metavar="NAME.pt", help="files of `dacycle export`"
    )

    check = _command(
        commands,
        "check",
        _check,
        "check a namelist, without a run",
        "dacycle check experiments/sakov2008.nml",
    )
    check.add_argument("namelist", type=Path, help="namelist file")

    _command(
        commands,
        "defaults",
        _defaults,
        "print a complete, commented namelist",
        "dacycle defaults > run.nml",
    )
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    do: Callable[[argparse.Namespace], int],
    summary: str,
    examples: str,
) -> argparse.ArgumentParser:
    """A subcommand with its one-line summary and its examples."""
    indented = "".join(f"  {line}\n" for line in examples.splitlines())
    parser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"examples:\n{indented}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=do)
    return parser


def _add_runs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs", type=Path, nargs="+", metavar="run.nc", help="run files of da_cycle"
    )
