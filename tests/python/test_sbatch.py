"""The job script for Slurm, with stand-ins for `srun` and `scontrol`."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

SRUN = """#!/bin/sh
echo "srun $*" >> calls
while :; do case "$1" in --*) shift ;; *) break ;; esac; done
case "$*" in *--check*) exec "$@" ;; esac
{run}
"""
PLAIN = 'exec "$@"'
TERMINATED = 'exec timeout --preserve-status --signal=TERM 2 "$@"'

Submit = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def submit(tmp_path: Path, repository: Path, program: Path) -> Submit:
    """`submit(run, cycles, restarts)`: the job's end; `run` is what srun does with the program."""

    def put(name: str, text: str) -> None:
        (tmp_path / "bin").mkdir(exist_ok=True)
        path = tmp_path / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def job(run: str, cycles: int, restarts: int = 0) -> subprocess.CompletedProcess[str]:
        put("srun", SRUN.format(run=run))
        put("scontrol", '#!/bin/sh\necho "scontrol $*" >> calls\n')
        (tmp_path / "run.nml").write_text(
            f"&cycle cycles = {cycles}, burn_in = 0 /\n"
            "&output file = 'run.nc', fields_every = 0, feedback = .false. /\n"
        )
        slurm = {
            "SLURM_NTASKS": "1",
            "SLURM_JOB_NUM_NODES": "1",
            "SLURM_JOB_ID": "42",
            "SLURM_RESTART_COUNT": str(restarts),
            "DA_CYCLE": str(program),
        }
        return subprocess.run(
            ["bash", repository / "docs" / "da_cycle.sbatch", "run.nml", "run.nc"],
            cwd=tmp_path,
            env={**os.environ, **slurm, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return job


def test_a_stopped_job_goes_on_to_the_same_end(submit: Submit, tmp_path: Path) -> None:
    stopped = submit(TERMINATED, 1_000_000)
    assert stopped.returncode == 0, stopped.stderr
    assert (tmp_path / "run.nc.checkpoint").is_file()
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[-1] == "scontrol requeue 42"
    assert "--mpi=pmix" in calls[-2]
    assert calls[-2].endswith("--restart --progress plain run.nml")
    again = submit(TERMINATED, 1_000_000, restarts=1)
    assert again.returncode == 0
    assert "goes on after cycle" in again.stdout
    last = submit(TERMINATED, 1_000_000, restarts=50)
    assert last.returncode == 143
    assert "not started again" in last.stderr
    assert (tmp_path / "calls").read_text().count("scontrol") == 2


def test_a_finished_job_is_not_queued_again(submit: Submit, tmp_path: Path) -> None:
    assert submit(PLAIN, 20).returncode == 0
    assert (tmp_path / "run.nc").is_file()
    assert submit(PLAIN, 20, restarts=1).returncode == 0
    assert "scontrol" not in (tmp_path / "calls").read_text()


@pytest.mark.parametrize(
    ("run", "cycles", "status"),
    [(PLAIN, -1, 2), ("exit 1", 20, 1), ("exit 143", 20, 1)],
    ids=["bad input", "failure", "no checkpoint"],
)
def test_what_would_come_again_is_not_repeated(
    submit: Submit, tmp_path: Path, run: str, cycles: int, status: int
) -> None:
    assert submit(run, cycles).returncode == status
    assert "scontrol" not in (tmp_path / "calls").read_text()


def test_the_script_is_clean(repository: Path) -> None:
    script = repository / "docs" / "da_cycle.sbatch"
    subprocess.run(["bash", "-n", script], check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", script], check=True)
    assert "#SBATCH --signal=TERM@120\n" in script.read_text()
