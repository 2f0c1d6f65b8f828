"""The scripts of tables: those that make the input, the numbers or the picture of one."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable

from dacycle.program import environment
from remaking.runs import KEPT, REPOSITORY
from remaking.spec import Table


def call(line: str, jobs: int) -> str:
    """What a script prints."""
    script, *arguments = line.split()
    KEPT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=KEPT) as folder:
        done = subprocess.run(
            [sys.executable, REPOSITORY / script, *arguments],
            cwd=REPOSITORY,
            env=environment(os.environ) | {"TMPDIR": folder, "REMAKE_JOBS": str(jobs)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return done.stdout


def prepare(tables: Iterable[Table], jobs: int) -> None:
    """Make the files that runs of the tables read; what is there is kept."""
    lines = [table.words["prepare"] for table in tables if "prepare" in table.words]
    for line in dict.fromkeys(lines):
        call(line, jobs)
