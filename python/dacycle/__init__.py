"""Data assimilation on the Lorenz-96 family: run, read and picture what `da_cycle` computes.

    import dacycle

    scores = dacycle.run("experiments/sakov2008.nml", ranks=2)
    print(scores.analysis_rmse.attrs["time_mean"])

The names below are imported at first use: the launcher of `da_cycle`, which each MPI rank passes
through, then starts without loading xarray.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dacycle.errors import (
    DacycleError,
    LostWarning,
    NamelistError,
    ProgramError,
    RunError,
    RunFileError,
)

if TYPE_CHECKING:
    from dacycle.adoption import export_module
    from dacycle.run_file import open_run
    from dacycle.runner import check, run

__all__ = [
    "DacycleError",
    "LostWarning",
    "NamelistError",
    "ProgramError",
    "RunError",
    "RunFileError",
    "check",
    "export_module",
    "open_run",
    "run",
]

_HOMES = {
    "check": "dacycle.runner",
    "export_module": "dacycle.adoption",
    "open_run": "dacycle.run_file",
    "run": "dacycle.runner",
}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("dacycle")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'dacycle' has no attribute '{name}'")
