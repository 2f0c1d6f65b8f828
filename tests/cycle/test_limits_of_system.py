"""What the machine does not give: memory, room in a file. One line, before the run if it can be."""

import resource
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from dacycle import namelist as nml
from dacycle.program import environment

GIBIBYTE = 2**30
PART_OF_A_FILE = 7_700_000
"""Of 8.2 million bytes: the last of five fields, in some cycle in the middle."""

Limited = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def limited(program: Path, tmp_path: Path) -> Limited:
    """`limited(groups, limit, soft, *options)`: the end of a run under a limit of the system."""

    def run(
        groups: nml.Groups, limit: int, soft: int, *options: str
    ) -> subprocess.CompletedProcess[str]:
        nml.write(groups, tmp_path / "run.nml")
        settings: Mapping[str, str] = environment({"PATH": "/usr/bin:/bin"})
        return subprocess.run(
            [program, "--progress", "none", *options, "run.nml"],
            cwd=tmp_path,
            env=settings,
            preexec_fn=lambda: resource.setrlimit(limit, (soft, resource.RLIM_INFINITY)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


MANY = {"observations": {"network": "random_positions", "count": 20_000_000}}
WIDE = {"lorenz96": {"n": 10_000_000}, "ensemble": {"members": 10}}


@pytest.mark.parametrize("groups", [MANY, WIDE], ids=["observations", "points"])
@pytest.mark.parametrize("limit", [resource.RLIMIT_AS, resource.RLIMIT_DATA], ids=["v", "d"])
def test_too_little_memory_is_known_before(
    groups: nml.Groups, limit: int, limited: Limited, tmp_path: Path
) -> None:
    done = limited(groups, limit, 2 * GIBIBYTE)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "need at least" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["run.nml"]


def test_what_fits_is_let_in(limited: Limited) -> None:
    done = limited({}, resource.RLIMIT_AS, 2 * GIBIBYTE, "--check")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_file_at_its_limit_ends_in_one_line(limited: Limited, tmp_path: Path) -> None:
    """The last checkpoint stays, and from it the run goes on when there is room."""
    groups = {
        "cycle": {"cycles": 2000, "burn_in": 10},
        "lorenz96": {"n": 100},
        "checkpoint": {"every": 100},
        "output": {"feedback": False},
    }
    done = limited(groups, resource.RLIMIT_FSIZE, PART_OF_A_FILE)
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("\n") == 1
    assert "run.nc" in done.stderr
    assert "run.nc" not in [path.name for path in tmp_path.iterdir()]
    assert (tmp_path / "run.nc.checkpoint").exists()
    done = limited(groups, resource.RLIMIT_FSIZE, GIBIBYTE, "--restart")
    assert (done.returncode, done.stderr) == (0, "")
    assert "goes on after cycle" in done.stdout
