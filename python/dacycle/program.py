"""The compiled program `da_cycle`: where it is, and how it is started on one rank or several."""

import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from importlib.resources import as_file, files
from pathlib import Path

from dacycle.errors import ProgramError

__all__ = ["command", "environment", "find_program", "packaged_program"]

NAME = "da_cycle"

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Ranks are what da_cycle computes with; threads of BLAS beside them only get in the way."""

OPEN_MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "OMPI_MCA_mpi_yield_when_idle": "1",
}
"""Root in a container and more ranks than cores are fine (Open MPI 4, then 5).

A rank that waits lets others compute: mpirun arranges that where its own ranks are more than the
cores, but knows nothing of the other runs of a sweep. Four runs of four ranks on two cores take
14 s so, and had not ended after 90 minutes without.
"""

LAUNCHERS = (
    "OMPI_APP_CTX_",
    "OMPI_ARGV",
    "OMPI_COMMAND",
    "OMPI_COMM_WORLD_",
    "OMPI_FILE_LOCATION",
    "OMPI_FIRST_RANKS",
    "OMPI_NUM_APP_CTX",
    "OMPI_UNIVERSE_SIZE",
    "PMIX_",
    "PMI_",
    "PMI2_",
    "HYDI_",
    "HYDRA_",
    "MPI_LOCAL",
    "MPIR_CVAR_CH3_PORT",
    "SLURM_STEP",
    "SLURM_PROCID",
    "SLURM_LOCALID",
    "SLURM_NODEID",
    "SLURM_GTIDS",
    "SLURM_TASK_PID",
    "SLURM_SRUN_COMM",
    "SLURM_LAUNCH_NODE_IPADDR",
)
"""How the variables begin by which a launcher tells a process which rank of which job it is."""

SETTINGS = ("PMIX_MCA_",)
"""What begins like those and is a setting of the user's."""

OPEN_MPI_JOB = (
    "OMPI_MCA_ess",
    "OMPI_MCA_ess_base_jobid",
    "OMPI_MCA_ess_base_vpid",
    "OMPI_MCA_initial_wdir",
    "OMPI_MCA_mpi_oversubscribe",
    "OMPI_MCA_orte_app_num",
    "OMPI_MCA_orte_bound_at_launch",
    "OMPI_MCA_orte_ess_node_rank",
    "OMPI_MCA_orte_ess_num_procs",
    "OMPI_MCA_orte_hnp_uri",
    "OMPI_MCA_orte_jobfam_session_dir",
    "OMPI_MCA_orte_launch",
    "OMPI_MCA_orte_local_daemon_uri",
    "OMPI_MCA_orte_num_nodes",
    "OMPI_MCA_orte_precondition_transports",
    "OMPI_MCA_orte_tmpdir_base",
    "OMPI_MCA_orte_top_session_dir",
    "OMPI_MCA_pmix",
    "OMPI_MCA_shmem_RUNTIME_QUERY_hint",
)
"""What Open MPI 4 tells its processes in the same way as a user sets it."""

SLURM_STEP = ("SLURM_NTASKS", "SLURM_NPROCS")
"""Of the job in its batch script, of the step inside one."""


def packaged_program() -> Path | None:
    """The program that was installed inside this package, if there is one."""
    with as_file(files("dacycle").joinpath("bin").joinpath(NAME)) as program:
        return program if program.is_file() else None


def find_program() -> Path:
    """The program to run: `DACYCLE_PROGRAM`, else the package's own, else one on the PATH.

    Raises:
        ProgramError: there is none, or `DACYCLE_PROGRAM` names no executable file.
    """
    named = os.environ.get("DACYCLE_PROGRAM")
    if named:
        if not os.access(named, os.X_OK) or not Path(named).is_file():
            raise ProgramError(f"DACYCLE_PROGRAM={named} is no executable file")
        return Path(named).absolute()
    on_path = shutil.which(NAME)
    program = packaged_program() or (Path(on_path) if on_path else None)
    if program is None:
        raise ProgramError(
            f"{NAME} is neither in the package nor on the PATH (build it, or set DACYCLE_PROGRAM)"
        )
    return program


def command(program: Path, arguments: Sequence[str], ranks: int) -> list[str]:
    """The command line that runs `program` on `ranks` MPI ranks.

    Several ranks are started by `mpirun -n`; `DACYCLE_MPIRUN` gives another command, options
    included: `DACYCLE_MPIRUN='srun --mpi=pmix'`.

    Raises:
        ValueError: `ranks` is less than one.
        ProgramError: the launcher is not there.
    """
    if ranks < 1:
        raise ValueError(f"ranks must be at least 1, not {ranks}")
    if ranks == 1:
        return [str(program), *arguments]
    launcher = shlex.split(os.environ.get("DACYCLE_MPIRUN", "mpirun"))
    if not launcher or shutil.which(launcher[0]) is None:
        name = " ".join(launcher) or "mpirun"
        raise ProgramError(f"{name} is not on the PATH (install an MPI, or set DACYCLE_MPIRUN)")
    return [*launcher, "-n", str(ranks), str(program), *arguments]


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """The variables `given`, and beside them what `da_cycle` should run with unless they say so.

    Inside an MPI job they leave out which rank of it this process is: what is started here is a run
    of its own, not a part of that job, whatever its other ranks start.
    """
    return {**ONE_THREAD, **OPEN_MPI, **_outside_jobs(given)}


def _outside_jobs(given: Mapping[str, str]) -> dict[str, str]:
    """The variables without those by which a launcher makes a process a rank; settings stay."""
    told: tuple[str, ...] = ()
    if "OMPI_COMM_WORLD_SIZE" in given:
        told += OPEN_MPI_JOB
    if "SLURM_STEP_ID" in given:
        told += SLURM_STEP
    return {
        name: value
        for name, value in given.items()
        if name not in told and (name.startswith(SETTINGS) or not name.startswith(LAUNCHERS))
    }
