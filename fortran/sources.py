"""The Fortran sources of some folders, a line each: `sources.py ROOT FOLDER ...`.

Meson finds no files by itself; it runs this when it configures.
"""

import sys
from pathlib import Path


def main() -> None:
    root = Path(sys.argv[1])
    for layer in sys.argv[2:]:
        for path in sorted((root / layer).rglob("*.f90")):
            print(path.relative_to(root).as_posix())


if __name__ == "__main__":
    main()
