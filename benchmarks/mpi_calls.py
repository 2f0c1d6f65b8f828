"""How many MPI calls a cycle makes, and how many bytes it sends: counted, not estimated.

    python benchmarks/mpi_calls.py [run.nml] [--ranks 4]

Runs a namelist (by default that of scaling.py, 4,000 points) for 10 cycles and for 30, with a
library before that of MPI which counts the calls of `mpi_f08`, and prints the difference over 20
cycles for each rank. Needs gcc and Open MPI.
"""

import argparse
import os
import re
import subprocess
import tempfile
from pathlib import Path

from scaling import NAMELIST

from dacycle import namelist as nml
from dacycle.program import command, environment, find_program

CALLS = ("isend", "irecv", "waitall", "allreduce", "bcast", "exscan", "alltoall", "alltoallv")
CYCLES = (10, 30)
MOST_ARGUMENTS = 10
NUMBER = 8
"""Bytes of what da_cycle sends from point to point: it is all double precision."""


def counter() -> str:
    """A C library that stands between the program and the mpi_f08 calls it names."""
    types = ", ".join(["void *"] * MOST_ARGUMENTS)
    given = ", ".join(f"void *a{i}" for i in range(MOST_ARGUMENTS))
    passed = ", ".join(f"a{i}" for i in range(MOST_ARGUMENTS))
    text = [
        "#define _GNU_SOURCE",
        "#include <dlfcn.h>",
        "#include <stdio.h>",
        "#include <stdlib.h>",
        "static long bytes;",
    ]
    for call in CALLS:
        name = f"mpi_{call}_f08_"
        add = f"bytes += {NUMBER}L * *(int *)a1;" if call == "isend" else ""
        text += [
            f"static long n_{call};",
            f"void {name}({given}) {{",
            f'  void (*real)({types}) = dlsym(RTLD_NEXT, "{name}");',
            f"  n_{call}++; {add} real({passed});",
            "}",
        ]
    form = " ".join(f"{call}=%ld" for call in (*CALLS, "bytes"))
    values = ", ".join([*(f"n_{call}" for call in CALLS), "bytes"])
    text += [
        "__attribute__((destructor)) static void tell(void) {",
        '  const char *rank = getenv("OMPI_COMM_WORLD_RANK");',
        f'  fprintf(stderr, "rank %s: {form}\\n", rank ? rank : "0", {values});',
        "}",
    ]
    return "\n".join(text) + "\n"


def count(groups: nml.Groups, ranks: int, folder: Path) -> dict[int, dict[str, int]]:
    """Calls of a run by rank and name."""
    nml.write(groups, folder / "run.nml")
    done = subprocess.run(
        command(find_program(), ["--fresh", "--progress", "none", "run.nml"], ranks),
        cwd=folder,
        env=environment(os.environ) | {"LD_PRELOAD": str(folder / "counter.so")},
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.findall(r"^rank (\d+): (.*\bisend=.*)$", done.stderr, re.M)
    return {
        int(rank): {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", line)}
        for rank, line in found
        if "allreduce=0" not in line  # the launcher, which the library counts as well
    }


def calls_a_cycle(groups: nml.Groups, ranks: int, folder: Path) -> dict[int, dict[str, float]]:
    """Calls and bytes of each rank a cycle."""
    source = folder / "counter.c"
    source.write_text(counter(), encoding="utf-8")
    library = folder / "counter.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    few, many = (
        count(nml.merge(groups, {"cycle": {"cycles": cycles, "burn_in": 0}}), ranks, folder)
        for cycles in CYCLES
    )
    between = CYCLES[1] - CYCLES[0]
    return {
        rank: {name: (many[rank][name] - few[rank][name]) / between for name in many[rank]}
        for rank in sorted(many)
    }


def main() -> None:
    """Print a row a rank."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("namelist", type=Path, nargs="?")
    parser.add_argument("--ranks", type=int, default=4)
    given = parser.parse_args()
    groups = nml.parse(NAMELIST.format(points=4000, members=20, cycles=1))
    if given.namelist:
        groups = nml.resolve(nml.read(given.namelist), given.namelist.parent)
    groups = nml.merge(groups, {"output": {"file": "run.nc"}})
    with tempfile.TemporaryDirectory() as name:
        found = calls_a_cycle(groups, given.ranks, Path(name))
    names = [*CALLS, "bytes"]
    print("rank  " + "  ".join(f"{name:>9s}" for name in names))
    for rank, numbers in found.items():
        print(f"{rank:4d}  " + "  ".join(f"{numbers[name]:9.2f}" for name in names))


if __name__ == "__main__":
    main()
