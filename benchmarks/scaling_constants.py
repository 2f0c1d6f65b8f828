"""What a cycle costs on many ranks: constants measured here, and the model of docs/scaling.md.

    python benchmarks/scaling_constants.py [--repeats 3] [--members 20]
    python benchmarks/scaling_constants.py --exchange 3.0 --bandwidth 10 --reduction 2.0

Measures the processor time of a cycle of the LETKF on one rank for several numbers of points, and
what an exchange of halos and a reduction cost between two ranks (mpi_constants.c, compiled by
mpicc); predicts from these the parallel efficiency for as many points a rank on 2 ... 1,000 ranks;
and measures what it can of that: twice the points on two ranks, by the clock, for which the machine
must be idle.

The three options put a network's numbers in place of those measured between two cores of one node:
µs of an exchange of short messages with both neighbours, GB/s of a rank, and µs of a stage of a
reduction. On a cluster, two ranks on two nodes give them: `--launcher 'srun -N 2 -n 2'`.
"""

import argparse
import math
import os
import re
import shlex
import statistics
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from peers import ours
from scaling import NAMELIST, run

from dacycle import namelist as nml
from dacycle.program import environment

POINTS = (100, 1_000, 10_000, 100_000)
RANKS = (1, 2, 10, 100, 1_000)
BYTES = 8
REACH = 12
"""Points left and right that a step of Lorenz-96 takes from the neighbours."""

LOCAL_REACH = 9
"""Points on either side whose observations count, at the radius of scaling.py."""

ROW = 3
"""Values that travel with an observation beside its anomalies, the padding of vectors included."""

REDUCTIONS = 12
"""Collective calls a cycle: docs/scaling.md counts them."""


@dataclass(frozen=True)
class Network:
    """What ranks tell each other costs.

    Attributes:
        exchange: µs of an exchange of short messages with both neighbours.
        bandwidth: GB/s of a rank, both directions together.
        reduction: µs of one stage of a reduction: there are log2 of the ranks.
    """

    exchange: float
    bandwidth: float
    reduction: float


def exchanges(steps: int) -> int:
    """Exchanges a cycle: each step of the members and of the truth; H twice, counts, and rows."""
    return 2 * steps + 4


def halo_bytes(members: int, steps: int) -> int:
    """Bytes that a rank sends a cycle."""
    forecast = steps * REACH * (members + 1)
    operator = members + 1
    rows = 2 * LOCAL_REACH * (1 + members + ROW)
    return BYTES * (forecast + operator + rows)


def communication_ms(network: Network, ranks: int, members: int, steps: int = 1) -> float:
    """Milliseconds of a cycle that a rank spends on others."""
    if ranks == 1:
        return 0.0
    short = exchanges(steps) * network.exchange
    long = halo_bytes(members, steps) / (1e3 * network.bandwidth)
    stages = math.ceil(math.log2(ranks))
    return 1e-3 * (short + long + REDUCTIONS * stages * network.reduction)


def alone_ms(points: int, members: int, folder: Path) -> float:
    """Milliseconds of processor time of a cycle on one rank."""
    text = NAMELIST.format(points=points, members=members, cycles=2)
    long = max(12, 400_000 // points)
    return ours(nml.parse(text), 4, 4 + long, folder)


def measure_network(launcher: str, folder: Path) -> Network:
    """Between two ranks of the launcher: the shortest exchange, the best bandwidth, a reduction."""
    program = folder / "mpi_constants"
    source = Path(__file__).with_name("mpi_constants.c")
    subprocess.run(["mpicc", "-O2", "-o", program, source], check=True)
    shown = subprocess.run(
        [*shlex.split(launcher), program],
        env=environment(os.environ),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = [(int(b), float(t)) for b, t in re.findall(r"^exchange (\d+) (\S+)", shown, re.M)]
    # Two messages go out; µs and bytes give MB/s.
    best = max(2 * size / time for size, time in found)
    reduction = re.search(r"^reduction (\S+)", shown, re.M)
    assert reduction is not None
    return Network(found[0][1], best / 1e3, float(reduction[1]))


def main() -> None:
    """Print constants, predictions, and what two ranks say to them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--launcher", default="mpirun -n 2")
    parser.add_argument("--exchange", type=float, metavar="µs")
    parser.add_argument("--bandwidth", type=float, metavar="GB/s")
    parser.add_argument("--reduction", type=float, metavar="µs")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        network = measure_network(given.launcher, folder)
        compute = {}
        clock: dict[int, list[float]] = {}
        for n in POINTS:
            compute[n] = min(alone_ms(n, given.members, folder) for _ in range(given.repeats))
            clock[n] = [
                run(n, 1, folder, given.members)[0] / run(2 * n, 2, folder, given.members)[0]
                for _ in range(given.repeats)
            ]
    print(
        f"measured: exchange {network.exchange:.2f} µs, {network.bandwidth:.1f} GB/s, "
        f"reduction {network.reduction:.2f} µs a stage; load {os.getloadavg()[0]:.1f}"
    )
    used = Network(
        given.exchange or network.exchange,
        given.bandwidth or network.bandwidth,
        given.reduction or network.reduction,
    )
    if used != network:
        print(
            f"used: exchange {used.exchange:.2f} µs, {used.bandwidth:.1f} GB/s, "
            f"reduction {used.reduction:.2f} µs a stage"
        )
    print(
        f"a cycle: {exchanges(1)} exchanges, {halo_bytes(given.members, 1)} bytes sent, "
        f"{REDUCTIONS} reductions; {given.members} members\n"
    )
    head = " | ".join(f"{ranks:,} ranks" for ranks in RANKS[1:])
    print(f"| points a rank | ms a cycle, one rank | {head} | measured, 2 ranks |")
    print(f"|---|---|{'---|' * len(RANKS)}")
    for n, alone in compute.items():
        shares = [
            alone / (alone + communication_ms(used, ranks, given.members)) for ranks in RANKS[1:]
        ]
        cells = " | ".join(f"{100 * share:.1f} %" for share in shares)
        print(f"| {n:,} | {alone:.3f} | {cells} | {100 * statistics.median(clock[n]):.0f} % |")


if __name__ == "__main__":
    main()
