"""A restart goes on with, or finds complete, the very run that it is asked for, and no other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dacycle import namelist as nml

Groups = dict[str, dict[str, Any]]

CYCLES = 3000
GROUPS: Groups = {
    "cycle": {"cycles": CYCLES, "burn_in": 5, "analysis": "etkf"},
    "lorenz96": {"n": 8},
    "ensemble": {"members": 4, "spin_up": 1.0},
    "checkpoint": {"every": 50},
}
SHORT = nml.merge(GROUPS, {"cycle": {"cycles": 20}})


@pytest.mark.parametrize("changed", ["truth.nc", "observations.nc"])
def test_another_file_under_the_old_name(
    changed: str,
    make_truth: Callable[..., Path],
    make_observations: Callable[..., Path],
    unfinished: Callable[..., Path],
    error_of: Callable[..., str],
    tmp_path: Path,
) -> None:
    make_truth(records=CYCLES + 1)
    make_observations(cycles=CYCLES)
    unfinished(
        nml.merge(
            GROUPS,
            {
                "truth": {"source": "file", "file": "truth.nc"},
                "observations": {"source": "file", "file": "observations.nc"},
            },
        ),
        2,
    )
    (tmp_path / changed).unlink()
    if changed == "truth.nc":
        wave = 2.0 + np.sin(np.arange(CYCLES + 1)[:, None] / 5 + np.arange(8))
        make_truth(records=CYCLES + 1, state=wave)
    else:
        make_observations(cycles=CYCLES, error_sd=np.full(CYCLES * 8, 1.5))
    line = error_of(["--restart", "run.nml"])
    group = "&truth" if changed == "truth.nc" else "&observations"
    assert line.startswith(f"{changed} ({group} file) is not the file that the run began with")
    assert "--fresh" in line


def test_complete_already(
    run: Callable[..., Path], da_cycle: Callable[..., Any], tmp_path: Path
) -> None:
    """The output of this very run is left as it is; of another, a run begins."""
    whole = run(SHORT, tmp_path)
    before = whole.stat()
    again = da_cycle(["--restart", "run.nml"], 1, cwd=tmp_path)
    assert again.returncode == 0
    assert again.stdout == "run.nc is complete already\n"
    assert whole.stat().st_mtime_ns == before.st_mtime_ns
    content = whole.read_bytes()
    other = run(nml.merge(SHORT, {"cycle": {"seed": 2}}), tmp_path, 1, ["--restart"])
    assert other.read_bytes() != content


@pytest.mark.parametrize("seed", [1, 2])
def test_an_output_beside_a_checkpoint(
    seed: int,
    unfinished: Callable[..., Path],
    run: Callable[..., Path],
    da_cycle: Callable[..., Any],
    tmp_path: Path,
) -> None:
    """Killed as the checkpoint was to go; or with an older result, and the output so far lost."""
    older = run(nml.merge(GROUPS, {"cycle": {"seed": seed}}), tmp_path / "older").read_bytes()
    checkpoint = unfinished(GROUPS)
    (tmp_path / "run.nc.part").unlink()
    (tmp_path / "run.nc").write_bytes(older)
    done = da_cycle(["--restart", "run.nml"], 1, cwd=tmp_path)
    assert (tmp_path / "run.nc").read_bytes() == older
    assert checkpoint.exists() == (seed == 2)
    if seed == 1:
        assert (done.returncode, done.stdout) == (0, "run.nc is complete already\n")
    else:
        assert done.returncode == 2
        assert "run.nc.part: cannot be opened to go on: it is not there" in done.stderr
