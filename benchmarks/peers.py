"""Cost of a cycle of dacycle and of DAPPER 1.8.1, side by side, in processor time of one core.

    .venv/bin/python benchmarks/peers.py [--repeats 5] [--python python3.12] [--only TEXT]

Both run the same twin experiments (Lorenz-96, F = 8, step 0.05, every point observed each 0.05 or
as the case says, with variance 1): same members, inflation, rotation, localisation and windows,
one thread. They are run in turn, as often as `--repeats` says; shown are the median and, in
brackets, smallest and largest.

- dacycle: processor time of the whole program for a long run less that for a short one, over the
  difference in cycles: model, truth, observations, analysis, scores and output of scores; without
  start-up and spin-up.
- DAPPER: processor time of `assimilate`, over its cycles: model, analysis and its statistics.

DAPPER needs Python 3.12 or newer; it is installed into build/peers, which may be deleted. Where it
cannot be had, numbers measured before stand in its place, and the output says so.

The table ends with the forecast alone: ns a variable and step of the Runge-Kutta scheme, and the
share of what fused multiply-adds could do on this core, measured in the same run.
"""

import argparse
import json
import math
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dacycle import namelist as nml
from dacycle.program import environment, find_program

ROOT = Path(__file__).resolve().parents[1]
DAPPER = "dapper==1.8.1"
OLDEST = (3, 12)
PYTHONS = ("python3.12", "python3.13", "python3.14", "python3")

HALF_WIDTH = 1.82
"""Half-width of the Gaspari-Cohn function over the radius, here and in DAPPER."""

RADIUS = 8.01 / HALF_WIDTH
"""A half-width of 8 points, which ends just beyond 16 on either side: 33 observations are local."""

TENDENCY_FLOPS = 4
"""(a - b) c - d + F."""

STEP_FLOPS = 4 * TENDENCY_FLOPS + 3 * 2 + 6
"""Four tendencies, three intermediate states of two operations, a final sum of six."""

STEPS = 200
"""Model steps a cycle where the forecast is measured: observations and scores are then nothing."""


SETTLED = 400
"""Cycles from which on a mean RMSE says something."""


@dataclass(frozen=True)
class Case:
    """A comparison.

    Attributes:
        name: what the table calls it.
        points: N_x.
        ours: the namelist, without cycles.
        method: DAPPER's class.
        settings: its arguments.
        cycles: of our short and long run, and of DAPPER's.
        before: ms a cycle of DAPPER, measured before on two cores of an AMD EPYC; none: never.
        steps: model steps a cycle.
    """

    name: str
    points: int
    ours: nml.Groups
    method: str
    settings: dict[str, Any]
    cycles: tuple[int, int, int]
    before: float | None
    steps: int = 1


def case(
    name: str,
    points: int,
    analysis: str,
    method: str,
    cycles: tuple[int, int, int],
    before: float | None,
    **more: Any,
) -> Case:
    """A comparison from what both sides have in common."""
    members, inflation = more["members"], more["inflation"]
    groups: nml.Groups = {
        "cycle": {"analysis": analysis, "interval": 0.05},
        "lorenz96": {"n": points},
        "truth": {"spin_up": 1.0},
        "ensemble": {"members": members, "initial": "truth", "initial_sd": 0.1},
        "inflation": {"posterior": inflation},
        "output": {"fields_every": 0, "feedback": False},
        "checkpoint": {"every": 0},
    }
    settings: dict[str, Any] = {"N": members, "infl": inflation, "rot": more.get("rotation", True)}
    if more.get("rotation", True):
        groups[analysis] = {"rotation": True}
    if "radius" in more:
        groups["localisation"] = {"radius": more["radius"]}
        settings["loc_rad"] = more["radius"]
    if method == "EnKF":
        settings["upd_a"] = "Sqrt"
    return Case(name, points, groups, method, settings, cycles, before)


def var4d(
    name: str, window: int, steps: int, factor: float, cycles: tuple[int, int, int], before: float
) -> Case:
    """4D-Var of 40 points, B a part of the climate's; three outer loops here, up to ten there."""
    groups: nml.Groups = {
        "cycle": {"analysis": "var4d", "interval": 0.05 * steps},
        "lorenz96": {"n": 40},
        "truth": {"spin_up": 1.0},
        "ensemble": {"members": 1, "initial": "truth", "initial_sd": 0.1},
        "variational": {"window": window, "outer_loops": 3},
        "background": {"factor": factor},
        "output": {"fields_every": 0, "feedback": False},
        "checkpoint": {"every": 0},
    }
    return Case(name, 40, groups, "Var4D", {"Lag": window, "xB": factor}, cycles, before, steps)


def ienks(
    name: str, members: int, window: int, cycles: tuple[int, int, int], before: float
) -> Case:
    """The iterative smoother of 40 points, finite size, at most three iterations."""
    groups: nml.Groups = {
        "cycle": {"analysis": "ienks", "interval": 0.05},
        "lorenz96": {"n": 40},
        "truth": {"spin_up": 1.0},
        "ensemble": {"members": members, "initial": "truth", "initial_sd": 0.1},
        "ienks": {"window": window, "iterations": 3, "finite_size": True, "hyperprior": 2.0},
        "output": {"fields_every": 0, "feedback": False},
        "checkpoint": {"every": 0},
    }
    settings = {"N": members, "upd_a": "Sqrt", "rot": True, "Lag": window, "nIter": 3, "xN": 2.0}
    return Case(name, 40, groups, "iEnKS", settings, cycles, before)


CASES = (
    case(
        "global ETKF, N=20, N_x=40",
        40,
        "etkf",
        "EnKF",
        (2000, 12000, 2000),
        0.85,
        members=20,
        inflation=1.04,
    ),
    case(
        "LETKF, N=10, N_x=40, radius 6",
        40,
        "letkf",
        "LETKF",
        (2000, 12000, 400),
        8.0,
        members=10,
        inflation=1.04,
        radius=6.0,
    ),
    case(
        "LETKF, N=20, N_x=40, radius 10",
        40,
        "letkf",
        "LETKF",
        (1000, 6000, 400),
        9.7,
        members=20,
        inflation=1.02,
        radius=10.0,
    ),
    case(
        "LETKF, N=20, N_x=4000, radius 4.4",
        4000,
        "letkf",
        "LETKF",
        (20, 120, 10),
        1862.0,
        members=20,
        inflation=1.04,
        radius=RADIUS,
    ),
    case(
        "serial local EAKF, N=20, N_x=4000, radius 4.4",
        4000,
        "eakf",
        "SL_EAKF",
        (20, 120, 10),
        None,
        members=20,
        inflation=1.04,
        radius=RADIUS,
        rotation=False,
    ),
    var4d("4D-Var, window 1 x 0.05, N_x=40", 1, 1, 0.02, (2000, 12000, 400), 12.4),
    var4d("4D-Var, window 4 x 0.2, N_x=40", 4, 4, 0.002, (1000, 4000, 100), 117.0),
    ienks("IEnKS, N=24, lag 10, N_x=40", 24, 10, (1000, 6000, 400), 4.4),
)


def processor_seconds(arguments: Sequence[str | Path], folder: Path) -> float:
    """User and system time of a run of da_cycle; raises with its message if it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [find_program(), *arguments],
        cwd=folder,
        env=environment(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def ours(groups: nml.Groups, short: int, long: int, folder: Path) -> float:
    """Milliseconds a cycle."""
    seconds = []
    for cycles in (short, long):
        path = folder / "peers.nml"
        nml.write(nml.merge(groups, {"cycle": {"cycles": cycles, "burn_in": 0}}), path)
        seconds.append(processor_seconds(["--fresh", "--progress", "none", path], folder))
    return 1000 * (seconds[1] - seconds[0]) / (long - short)


def theirs(python: Path, one: Case, seed: int) -> dict[str, float]:
    """Milliseconds a cycle, RMSE and local observations of DAPPER."""
    asked = {
        "points": one.points,
        "cycles": one.cycles[2],
        "steps": one.steps,
        "method": one.method,
        "settings": one.settings,
        "seed": seed,
    }
    done = subprocess.run(
        [python, Path(__file__).with_name("peers_dapper.py"), json.dumps(asked)],
        env=environment(os.environ) | {"MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"DAPPER failed at {one.name}:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout[done.stdout.rindex("{") :])
    return found


def is_new_enough(python: str) -> bool:
    """Whether a command is a Python that DAPPER runs on."""
    code = f"import sys, venv, ensurepip; sys.exit(sys.version_info < {OLDEST})"
    try:
        return (
            subprocess.run([python, "-c", code], capture_output=True, check=False).returncode == 0
        )
    except OSError:
        return False


def pythons(named: str | None) -> list[str]:
    """Commands that may be a Python new enough: the one named, or else by name and from pyenv."""
    if named:
        return [named]
    found = [path for name in PYTHONS if (path := shutil.which(name))]
    if shutil.which("pyenv"):
        versions = subprocess.run(
            ["pyenv", "versions", "--bare"], capture_output=True, text=True, check=False
        ).stdout.split()
        for version in versions:
            prefix = subprocess.run(
                ["pyenv", "prefix", version], capture_output=True, text=True, check=False
            ).stdout.strip()
            if prefix:
                found.append(f"{prefix}/bin/python3")
    return found


def install_dapper(named: str | None, say: Callable[[str], None]) -> Path | None:
    """A Python that has DAPPER, made if need be; none, with the reason said."""
    folder = ROOT / "build" / "peers"
    python = folder / "bin" / "python"
    has = [python, "-c", f"import dapper; assert dapper.__version__ == {DAPPER.split('==')[1]!r}"]
    if python.exists() and subprocess.run(has, capture_output=True, check=False).returncode == 0:
        return python
    base = next((one for one in pythons(named) if is_new_enough(one)), None)
    if base is None:
        wanted = ".".join(map(str, OLDEST))
        say(f"no Python {wanted} or newer was found (--python names one): DAPPER is not run")
        return None
    say(f"installing {DAPPER} into {folder.relative_to(ROOT)} with {base}")
    for line in (
        [base, "-m", "venv", "--clear", folder],
        [python, "-m", "pip", "install", "--quiet", DAPPER],
        has,
    ):
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            say(f"{DAPPER} cannot be installed ({last}): it is not run")
            return None
    return python


def peaks(folder: Path) -> tuple[float, float] | None:
    """GFLOP/s of one core at its limit, fused and not; none without a C compiler.

    What fusing gains differs: a core may add and multiply in the same units, or in others.
    """
    compiler = next((c for c in ("gcc", "cc", "clang") if shutil.which(c)), None)
    if compiler is None:
        return None
    program = folder / "fma_peak"
    source = Path(__file__).with_name("fma_peak.c")
    found = []
    for contract in ("fast", "off"):
        options = ["-O2", "-march=native", f"-ffp-contract={contract}", "-o", program, source]
        done = subprocess.run([compiler, *options], capture_output=True, check=False)
        if done.returncode != 0:
            return None
        runs = [
            subprocess.run([program], capture_output=True, text=True, check=True) for _ in "123"
        ]
        found.append(max(float(run.stdout.split()[0]) for run in runs))
    return found[0], found[1]


def forecast_ns(folder: Path) -> float:
    """Nanoseconds a variable and model step, the members of a few hundred kilobytes."""
    points, members = 1000, 40
    groups: nml.Groups = {
        "cycle": {"analysis": "none", "interval": 0.05 * STEPS},
        "lorenz96": {"n": points},
        "truth": {"spin_up": 1.0},
        "ensemble": {"members": members, "initial": "truth", "initial_sd": 0.1},
        "output": {"fields_every": 0, "feedback": False},
        "checkpoint": {"every": 0},
    }
    variables = points * (members + 1)  # the truth is a member more
    return 1e6 * ours(groups, 20, 220, folder) / (STEPS * variables)


def shown(values: Sequence[float]) -> str:
    """Median and range with three digits."""

    def digits(value: float) -> str:
        decimals = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
        return f"{value:.{decimals}f}"

    median = digits(statistics.median(values))
    if len(values) == 1:
        return median
    return f"{median} ({digits(min(values))} - {digits(max(values))})"


def local_observations(radius: float, points: int) -> int:
    """Observations of every point within the support of the Gaspari-Cohn function."""
    return min(points, 2 * math.ceil(2 * HALF_WIDTH * radius) - 1)


def compare(one: Case, python: Path | None, repeats: int, folder: Path) -> tuple[str, str]:
    """A row of the table, and a remark on it."""
    a, b, rmse, local = [], [], math.nan, 0.0
    for repeat in range(repeats):
        try:
            a.append(ours(one.ours, one.cycles[0], one.cycles[1], folder))
        except RuntimeError as error:
            if "&cycle analysis" in str(error) or "is not a known group" in str(error):
                reason = str(error).partition(" (known")[0].rpartition(": ")[2]
                return f"| {one.name} | not run | - | - |\n", f"{one.name}: {reason}"
            raise
        if python is not None:
            found = theirs(python, one, 3000 + repeat)
            b.append(found["ms"])
            rmse, local = found["rmse"], found["local"]
    remark = ""
    if "loc_rad" in one.settings:
        here = local_observations(one.settings["loc_rad"], one.points)
        remark = f"{one.name}: {here} local observations a point"
        if b and one.method == "LETKF":
            remark += f"; DAPPER {local:.0f} for two points together"
    if b and one.cycles[2] >= SETTLED:
        remark += f"{'; ' if remark else one.name + ': '}DAPPER's RMSE {rmse:.3f}"
    if b:
        other = shown(b)
    elif one.before is not None:
        b, other = [one.before], f"{one.before:g} (measured before)"
    else:
        return f"| {one.name} | {shown(a)} | - | - |\n", remark
    ratio = statistics.median(b) / statistics.median(a)
    return f"| {one.name} | {shown(a)} | {other} | {ratio:.0f} |\n", remark


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--python", help="a Python 3.12 or newer, for DAPPER")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose name holds TEXT")
    parser.add_argument("--without-dapper", action="store_true")
    given = parser.parse_args()

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    python = None if given.without_dapper else install_dapper(given.python, say)
    if python is None:
        print(
            "DAPPER was not run: its numbers are those measured before, on two cores of an AMD "
            "EPYC (15 % either way), not on this machine now.\n"
        )
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    load = os.getloadavg()[0]
    print(
        f"{model[1] if model else 'processor not known'}, {os.cpu_count()} cores, load {load:.1f} "
        "at the beginning\n"
    )
    print("| case | dacycle, ms a cycle | DAPPER, ms a cycle | ratio |\n|---|---|---|---|")
    remarks = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for one in CASES:
            if given.only not in one.name:
                continue
            row, remark = compare(one, python, given.repeats, folder)
            print(row, end="", flush=True)
            remarks.append(remark)
        print("\n" + "\n".join(f"- {remark}" for remark in remarks if remark))
        limits = peaks(folder)
        spent = [forecast_ns(folder) for _ in range(given.repeats)]
    print(f"- forecast: {shown(spent)} ns a variable and Runge-Kutta step of {STEP_FLOPS} flops")
    if limits:
        rate = STEP_FLOPS / min(spent)
        fused, apart = limits
        print(
            f"- that is {rate:.1f} GFLOP/s at best, {100 * rate / apart:.0f} % of the {apart:.0f} "
            "GFLOP/s that additions and multiplications reach on this core, and "
            f"{100 * rate / fused:.0f} % of the {fused:.0f} GFLOP/s that fused ones would, which "
            "would make bits depend on the compiler"
        )


if __name__ == "__main__":
    main()
