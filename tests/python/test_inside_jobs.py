"""`dacycle.run` by the ranks of an MPI job: each a run of its own."""

import os
import subprocess
import sys
from pathlib import Path

from dacycle.program import environment

SCRIPT = """
import os, dacycle
rank = int(os.environ["OMPI_COMM_WORLD_RANK"])
groups = {"cycle": {"cycles": 20, "burn_in": 5, "seed": 10 + rank}}
with dacycle.run(groups, output=f"{rank}.nc") as run:
    words = run.attrs["namelist"].split()
    told = f"rank {rank} seed {words[words.index('seed') + 2]} {run.sizes['time']}"
with open(f"{rank}.txt", "w") as file:
    file.write(told)
"""
"""Each rank has a file of its own: what two print may come out mixed."""


def test_each_rank_has_its_own_run(tmp_path: Path) -> None:
    line = ["mpirun", "-n", "2", sys.executable, "-c", SCRIPT]
    done = subprocess.run(
        line,
        cwd=tmp_path,
        env=environment(os.environ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = [(tmp_path / f"{rank}.txt").read_text(encoding="utf-8") for rank in (0, 1)]
    assert told == ["rank 0 seed 10 20", "rank 1 seed 11 20"]


def test_settings_stay_and_ranks_go() -> None:
    job = {
        "OMPI_COMM_WORLD_SIZE": "2",
        "OMPI_COMM_WORLD_RANK": "1",
        "OMPI_MCA_ess": "^singleton",
        "OMPI_MCA_orte_hnp_uri": "1;tcp://x",
        "PMIX_RANK": "1",
        "PMI_RANK": "1",
        "SLURM_STEP_ID": "0",
        "SLURM_PROCID": "1",
        "SLURM_NTASKS": "2",
    }
    settings = {
        "OMPI_MCA_pml": "ob1",
        "PMIX_MCA_gds": "hash",
        "SLURM_JOB_ID": "7",
        "SLURM_JOB_NODELIST": "n[1-2]",
        "PATH": "/bin",
    }
    found = environment(job | settings)
    assert not job.keys() & found.keys()
    assert settings.items() <= found.items()


def test_outside_a_job_nothing_goes() -> None:
    given = {"OMPI_MCA_ess": "singleton", "OMPI_MCA_orte_tmpdir_base": "/scratch"}
    assert given.items() <= environment(given | {"SLURM_NTASKS": "4"}).items()
    assert environment({"SLURM_NTASKS": "4"})["SLURM_NTASKS"] == "4"
