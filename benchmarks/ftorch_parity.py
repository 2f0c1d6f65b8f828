r"""Whether FTorch gives the same numbers for an exported network as the file says.

    python benchmarks/ftorch_parity.py models_export/dan_l96_memory.pt --ftorch PREFIX

FTorch (https://github.com/Cambridge-ICCS/FTorch) is not a part of this project: install it with
the PyTorch of this environment, as with

    cmake -S FTorch -B build -DCMAKE_INSTALL_PREFIX=PREFIX \
      -DCMAKE_PREFIX_PATH="$(python -c 'import torch; print(torch.utils.cmake_prefix_path)')"
    cmake --build build && cmake --install build

Compiles ftorch_parity.f90, a program that knows FTorch alone, lets it compute the sample that is in
the file, float32, and prints the largest difference and the largest number.
"""

import argparse
import os
import subprocess
import tempfile
from pathlib import Path

import torch

from dacycle.network.file import load

SOURCE = Path(__file__).with_suffix(".f90")
LIBTORCH = Path(torch.__file__).parent / "lib"


def build(prefix: Path, program: Path) -> None:
    """Compile the program against an installed FTorch."""
    libraries = [path for path in (prefix / "lib", prefix / "lib64") if path.is_dir()]
    found = [f"-L{path}" for path in libraries] + [f"-Wl,-rpath,{path}" for path in libraries]
    subprocess.run(
        [
            os.environ.get("FC", "gfortran"),
            f"-I{prefix / 'include/ftorch'}",
            str(SOURCE),
            "-o",
            str(program),
            f"-J{program.parent}",
            *found,
            "-lftorch",
            f"-Wl,-rpath,{LIBTORCH}",
            f"-Wl,-rpath-link,{LIBTORCH}",
        ],
        check=True,
    )


def main() -> None:
    """Print what the program says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", type=Path)
    parser.add_argument("--ftorch", type=Path, required=True, metavar="PREFIX")
    given = parser.parse_args()
    sample = load(given.network)[1].sample
    with tempfile.TemporaryDirectory() as name:
        program, numbers = Path(name, "parity"), Path(name, "sample.txt")
        with numbers.open("w", encoding="utf-8") as file:
            for shape, values in (
                (sample.shape_in, sample.input),
                (sample.shape_out, sample.output),
            ):
                print(*shape, file=file)
                print(*values, sep="\n", file=file)
        build(given.ftorch, program)
        done = subprocess.run(
            [program, given.network, numbers], stdout=subprocess.PIPE, text=True, check=True
        )
    difference, size = done.stdout.split()
    print(f"{given.network}: largest difference {difference}, largest number {size}")


if __name__ == "__main__":
    main()
