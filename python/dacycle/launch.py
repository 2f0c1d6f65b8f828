"""The command `da_cycle` of an installed package: it becomes the compiled program.

The process is replaced, not wrapped, so signals, exit status and MPI reach the program itself.
"""

import os
import sys

from dacycle.program import packaged_program

__all__ = ["main"]


def main() -> None:
    """Become the compiled program, with this command's arguments."""
    program = packaged_program()
    if program is None:
        sys.exit("da_cycle: error: the package holds no compiled program (reinstall dacycle)")
    os.execv(program, [str(program), *sys.argv[1:]])
