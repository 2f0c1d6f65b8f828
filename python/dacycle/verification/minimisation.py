"""How minimisations of a variational run went: cost by iteration, spectrum of the Hessian.

`&diagnostics` has `da_cycle` write, for every so many cycles, the quadratic cost function of each
inner loop with its parts, and the leading Ritz values of the Hessian; here they are averaged over
the cycles after burn-in.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dacycle.errors import RunFileError
from dacycle.verification.estimate import settled

__all__ = ["Loop", "Spectrum", "convergence", "hessian_spectrum"]


@dataclass(frozen=True)
class Loop:
    """An inner loop, by iteration, all `(iteration,)`; from 0 to the most that any cycle took.

    Attributes:
        cost: mean of the quadratic cost function, about which the loop is linearised.
        background: the background's part of it.
        observations: the observations' part of it.
        gradient: geometric mean of the norm of the gradient, in the space of controls.
    """

    cost: NDArray[np.float64]
    background: NDArray[np.float64]
    observations: NDArray[np.float64]
    gradient: NDArray[np.float64]


@dataclass(frozen=True)
class Spectrum:
    """Leading eigenvalues of the Hessian, `(eigenvalue,)`, the largest first.

    Attributes:
        mean: over the cycles after burn-in.
        low, high: the tenth and the ninetieth percentile over these cycles.
        residual: mean relative residual: how well Lanczos' method knows the pair.
    """

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    residual: NDArray[np.float64]


def convergence(run: xr.Dataset) -> list[Loop]:
    """The inner loops of a run, one an outer loop.

    Raises:
        RunFileError: no costs by iteration were written after burn-in (`iterations` in
            `&diagnostics`).
    """
    rows = _rows(run, "iterate_cost", "iterations")
    cycles = np.isin(run["time"].values, run["diagnosed_time"].values[rows])
    most = run["inner_iterations"].values[cycles].max(axis=0).astype(int)

    def of(name: str) -> NDArray[np.float64]:
        return np.asarray(run[name].values[rows], dtype=np.float64)

    cost, background, observations, gradient = (
        of(f"iterate_{name}")
        for name in ("cost", "background_cost", "observation_cost", "gradient")
    )
    gradient = np.log(np.maximum(gradient, np.finfo(np.float64).tiny))
    return [
        Loop(
            cost[:, loop, : last + 1].mean(axis=0),
            background[:, loop, : last + 1].mean(axis=0),
            observations[:, loop, : last + 1].mean(axis=0),
            np.exp(gradient[:, loop, : last + 1].mean(axis=0)),
        )
        for loop, last in enumerate(most)
    ]


def hessian_spectrum(run: xr.Dataset) -> Spectrum:
    """The leading eigenvalues of the Hessian.

    Raises:
        RunFileError: none were written after burn-in (`hessian` in `&diagnostics`).
    """
    rows = _rows(run, "hessian_eigenvalues", "hessian")
    values = np.asarray(run["hessian_eigenvalues"].values[rows], dtype=np.float64)
    low, high = np.percentile(values, [10, 90], axis=0)
    residual = np.asarray(run["hessian_residuals"].values[rows].mean(axis=0), dtype=np.float64)
    return Spectrum(values.mean(axis=0), low, high, residual)


def _rows(run: xr.Dataset, name: str, key: str) -> NDArray[np.bool_]:
    """The rows after burn-in."""
    if name not in run:
        raise RunFileError(f"the run file has no {name}: {key} in &diagnostics was not set")
    rows = settled(run, run["diagnosed_time"].values)
    if not rows.any():
        raise RunFileError(f"{name}: no row lies after the burn-in")
    return rows
