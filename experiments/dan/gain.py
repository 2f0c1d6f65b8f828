"""What a network as the analysis knows of its errors: the spectrum of the P_a it implies.

.venv/bin/python experiments/dan/gain.py

An analysis that is optimal has the gain K = P_a H^T R^{-1}. With H = I and R = I the derivative of
the network's analysis by the observations, K = dx_a / dy, is P_a itself, as far as it is symmetric
(Bocquet et al. 2024). Its eigenvalues, and those of an ETKF's analysis ensemble, are means over
cycles, each cycle's in descending order. Writes gain.png beside this file, and prints numbers.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

import dacycle
from dacycle import namelist as nml
from dacycle.model import lorenz96_torch as lorenz96
from dacycle.network.file import load
from dacycle.network.type import wrap
from dacycle.plot.style import BLUE, GREY, ORANGE, RESOLUTION, legend, log_axis, styled

HERE = Path(__file__).resolve().parent
NETWORKS = HERE.parents[1] / "models_export"
N, FORCING, DT = 40, 8.0, 0.05
TWINS, SPIN_UP, SAMPLES, EVERY = 16, 150, 12, 10
MEMBERS, CYCLES, BURN_IN, DUMPED = 40, 2000, 400, 20
COLOURS = {"dan_l96": ORANGE, "dan_l96_memory": BLUE}

Array = NDArray[np.float64]


def gains(path: Path) -> Array:
    """K at analyses of twins that were cycled with the file: `(samples, n, n)`, row by x_a."""
    module, metadata = load(path)
    random = torch.Generator().manual_seed(1)
    dtype = torch.float32
    truth = lorenz96.climatology(TWINS, N, FORCING, DT, random, dtype)
    x = truth + torch.randn(TWINS, N, generator=random)
    memory = torch.zeros(TWINS, metadata.memory, N)
    found = []
    for cycle in range(SPIN_UP + SAMPLES * EVERY):
        sensitivity = truth + torch.randn(TWINS, N, generator=random) - x

        def network(seen: Tensor, x: Tensor = x, memory: Tensor = memory) -> Tensor:
            fields = torch.cat((torch.stack((x, seen), 1), memory), 1)
            out: Tensor = module(wrap(fields, metadata.halo))
            return out

        if cycle >= SPIN_UP and cycle % EVERY == 0:
            sensitivity.requires_grad_(True)
            increment = network(sensitivity)[:, 0]
            rows = [
                torch.autograd.grad(increment[:, i].sum(), sensitivity, retain_graph=True)[0]
                for i in range(N)
            ]
            found.append(torch.stack(rows, 1).double().numpy())
            sensitivity = sensitivity.detach()
        with torch.no_grad():
            out = network(sensitivity)
            x, memory = x + out[:, 0], out[:, 1:]
            x = lorenz96.forecast(x, FORCING, DT, 1)
            truth = lorenz96.forecast(truth, FORCING, DT, 1)
    return np.concatenate(found)


def ensemble_covariances() -> Array:
    """P_a of an ETKF's members: `(samples, n, n)`."""
    groups: nml.Groups = {
        "cycle": {"analysis": "etkf", "cycles": CYCLES, "burn_in": BURN_IN},
        "ensemble": {"members": MEMBERS, "initial": "truth", "initial_sd": 0.1},
        "inflation": {"posterior": 1.02},
        "output": {"fields_every": 0, "members_every": DUMPED, "feedback": False},
    }
    with (
        tempfile.TemporaryDirectory() as folder,
        dacycle.run(groups, directory=folder, output="etkf.nc") as run,
    ):
        members = run["analysis_members"].values[BURN_IN // DUMPED :]
    anomalies = members - members.mean(1, keepdims=True)
    return np.asarray(np.einsum("kmi,kmj->kij", anomalies, anomalies) / (MEMBERS - 1))


def spectrum(covariances: Array) -> Array:
    """Mean eigenvalues of the symmetric parts, in descending order."""
    symmetric = 0.5 * (covariances + covariances.swapaxes(1, 2))
    return np.asarray(np.linalg.eigvalsh(symmetric)[:, ::-1].mean(0))


def antisymmetry(covariances: Array) -> float:
    """How large the antisymmetric part is beside the whole, Frobenius norms."""
    part = 0.5 * (covariances - covariances.swapaxes(1, 2))
    return float(np.linalg.norm(part) / np.linalg.norm(covariances))


def main() -> int:
    """Compute, draw and print."""
    torch.set_num_threads(1)
    picture = Figure(figsize=(6, 3.6), layout="constrained")
    with styled():
        axes = picture.subplots()
        number = np.arange(1, N + 1)
        sys.stdout.write(
            "| P_a of | trace / n | eigenvalues 1, 5, 10, 15, 20 | below 0 | antisymmetric part |\n"
            "|---|---|---|---|---|\n"
        )
        covariances = {f"ETKF N={MEMBERS}": (ensemble_covariances(), GREY)}
        for name, colour in COLOURS.items():
            if (NETWORKS / f"{name}.pt").is_file():
                covariances[name] = (gains(NETWORKS / f"{name}.pt"), colour)
        for name, (sample, colour) in covariances.items():
            values = spectrum(sample)
            shown = values > 0
            axes.plot(number[shown], values[shown], "o-", markersize=3, color=colour, label=name)
            chosen = ", ".join(f"{values[i - 1]:.4f}" for i in (1, 5, 10, 15, 20))
            sys.stdout.write(
                f"| {name} | {values.mean():.4f} | {chosen} | {np.count_nonzero(~shown)} "
                f"| {antisymmetry(sample):.2f} |\n"
            )
        log_axis(axes)
        axes.set(xlabel="number", ylim=(1e-4, 1))
        axes.set_title("eigenvalues of P_a")
        legend(axes)
        picture.savefig(HERE / "gain.png", dpi=RESOLUTION)
    return 0


if __name__ == "__main__":
    sys.exit(main())
