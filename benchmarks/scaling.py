"""Cost and memory of a cycle against the number of grid points, and of two ranks against one.

    python benchmarks/scaling.py [--points 10000 100000 1000000] [--members 20] [--ranks 1 2]
                                 [--repeats 3] [--scheme letkf]

Runs `da_cycle` in twin mode (every point observed, no output of fields) on one rank and two, in
turn, and prints the median over the repeats of the time of a cycle, per point, with the smallest
and largest; the speed-up against the first number of ranks; and the high-water mark of memory of
the largest rank beside the size of its part of the ensemble. `--scheme` is `letkf` (half-width of
4 points), `var4d` (one member; a window of 4 cycles of 0.2, so 16 model steps, two outer loops) or
`ienks` (lag 10).

From 10^3 to 10^7 points, in 4 GiB of memory:

    python benchmarks/scaling.py --points 1000 10000 100000 1000000 10000000 --members 10
"""

import argparse
import re
import statistics
import subprocess
import tempfile
from pathlib import Path

from dacycle.program import command, environment, find_program

MEMBERS = 20
CYCLES = 6
MOST_CYCLES = 600
ENOUGH_POINTS = 60_000
"""Points times cycles of a run, so that a small one lasts long enough to be timed."""

NAMELIST = """
&cycle analysis = 'letkf', cycles = {cycles}, burn_in = 1, title = 'scaling' /
&lorenz96 n = {points} /
&truth spin_up = 1.0 /
&ensemble members = {members}, initial = 'truth' /
&localisation radius = 2.2 /
&output file = 'scaling.nc', fields_every = 0, feedback = .false. /
&checkpoint every = 0 /
"""
WINDOWS = """
&cycle analysis = '{scheme}', cycles = {cycles}, burn_in = 1, interval = {interval} /
&lorenz96 n = {points} /
&truth spin_up = 1.0 /
&ensemble members = {members}, initial = 'truth', initial_sd = 0.1 /
&output file = 'scaling.nc', fields_every = 0, feedback = .false. /
&checkpoint every = 0 /
{settings}
"""
SETTINGS = {
    "var4d": "&variational window = 4, outer_loops = 2 /\n"
    "&background covariance = 'diagonal', sd = 0.165 /",
    "ienks": "&ienks window = 10 /",
}
INTERVALS = {"var4d": 0.2, "ienks": 0.05}
PHASES = ("forecast", "halo", "observations", "analysis", "verification")
MEBIBYTE = 2**20


def namelist_of(scheme: str, points: int, members: int, cycles: int) -> str:
    """The run of a scheme."""
    if scheme == "letkf":
        return NAMELIST.format(points=points, members=members, cycles=cycles)
    return WINDOWS.format(
        scheme=scheme,
        points=points,
        members=members,
        cycles=cycles,
        interval=INTERVALS[scheme],
        settings=SETTINGS[scheme],
    )


def run(
    points: int, ranks: int, folder: Path, members: int = MEMBERS, scheme: str = "letkf"
) -> tuple[float, float]:
    """Milliseconds a cycle over the phases of the cycle, and MiB of the largest rank."""
    namelist = folder / "scaling.nml"
    cycles = max(CYCLES, min(MOST_CYCLES, ENOUGH_POINTS // points))
    namelist.write_text(namelist_of(scheme, points, members, cycles), encoding="utf-8")
    arguments = ["--fresh", "--progress", "none", str(namelist)]
    shown = subprocess.run(
        command(find_program(), arguments, ranks),
        cwd=folder,
        env=environment({}) | {"PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    spent = sum(float(re.search(rf"^{phase} +\S+ +(\S+)", shown, re.M)[1]) for phase in PHASES)
    memory = float(re.search(r"memory high-water mark +(\S+)", shown)[1])
    return spent, memory


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--members", type=int, default=MEMBERS)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--scheme", default="letkf", choices=["letkf", *SETTINGS])
    options = parser.parse_args()
    members = 1 if options.scheme == "var4d" else options.members
    print("  points  ranks   ms a cycle  (least - most)   µs a point  speed-up   MiB  of ensemble")
    with tempfile.TemporaryDirectory() as name:
        for points in options.points:
            results: dict[int, list[tuple[float, float]]] = {ranks: [] for ranks in options.ranks}
            for _ in range(options.repeats):
                for ranks in results:
                    results[ranks].append(run(points, ranks, Path(name), members, options.scheme))
            one = statistics.median(spent for spent, _ in results[options.ranks[0]])
            for ranks, measured in results.items():
                times = [spent for spent, _ in measured]
                median = statistics.median(times)
                memory = max(mebibytes for _, mebibytes in measured)
                ensemble = points * members * 8 / ranks / MEBIBYTE
                spread = f"({min(times):.2f} - {max(times):.2f})"
                print(
                    f"{points:8d}  {ranks:5d}  {median:11.2f}  {spread:>16s}"
                    f"  {1000 * median / points:9.3f}  {one / median:8.2f}  {memory:5.0f}"
                    f"  {memory / ensemble:6.1f} x"
                )


if __name__ == "__main__":
    main()
