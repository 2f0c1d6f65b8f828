"""What docs/study.md shows: its namelist run, its Python run on what that wrote.

.venv/bin/python experiments/study_page.py
"""

import contextlib
import io
import re
import sys
import tempfile

from remaking.runs import REPOSITORY

import dacycle
from dacycle import namelist as nml

PAGE = REPOSITORY / "docs" / "study.md"


def main() -> int:
    """Print what the snippet prints."""
    text = PAGE.read_text(encoding="utf-8")
    namelist = re.search(r"```fortran\n(.*?)```", text, re.DOTALL)
    snippet = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert namelist is not None
    assert snippet is not None
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        groups = nml.merge(nml.parse(namelist[1]), {"output": {"file": f"{folder}/run.nc"}})
        dacycle.run(groups).close()
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(snippet[1], "docs/study.md", "exec"), {})
    shown = "\n".join(line.rstrip() for line in printed.getvalue().splitlines())
    sys.stdout.write(f"```\n{shown}\n```\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
