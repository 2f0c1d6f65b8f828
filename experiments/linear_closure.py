"""A linear closure for the two-scale truth, a + b x after each step, fitted by least squares.

.venv/bin/python experiments/linear_closure.py

What a classical modeller would try first. The analyses are those of the shipped correction's cycle
(seed 104, which scores nothing); a and b make the step of the truncated model from each analysis
meet the next. Written to output/remake/inputs/linear_closure.pt; kept if it is there.
"""

import sys

import numpy as np
import torch
from numpy.typing import NDArray
from remaking import spec
from remaking.runs import KEPT, Runner, task

from dacycle import namelist as nml
from dacycle.adoption import export_module
from dacycle.model import lorenz96_torch as lorenz96
from dacycle.run_file import open_run

FILE = KEPT / "inputs" / "linear_closure.pt"
SEED, CYCLES, BURN_IN = 104, 8000, 400
ROW = "two_corrected"
FORCING, DT = 10.0, 0.05

Array = NDArray[np.float64]


class Closure(torch.nn.Module):
    """x -> a + b x, `(batch, channels, points)`."""

    def __init__(self, a: float, b: float) -> None:
        super().__init__()
        self.line = torch.nn.Conv1d(1, 1, 1)
        with torch.no_grad():
            self.line.weight.fill_(b)
            self.line.bias.fill_(a)  # type: ignore[union-attr]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The increment of a step."""
        return self.line(x)


def analyses() -> Array:
    """Ensemble means, `(cycles, points)`."""
    table = spec.tables()["correction"]
    row = next(row for row in table.rows if row.id == ROW)
    cell = next(cell for cell in table.cells(row) if cell is not None)
    groups = nml.merge(
        cell.groups,
        {"cycle": {"cycles": CYCLES, "burn_in": BURN_IN}, "output": {"fields_every": 1}},
    )
    groups.pop("verification", None)
    run = Runner(1)([task(groups, SEED, keep=True)])[0]
    with open_run(run.file) as opened:
        return np.asarray(opened["analysis_mean"].values[BURN_IN:], np.float64)


def main() -> int:
    """Fit and export."""
    if FILE.is_file():
        return 0
    x = analyses()
    stepped = lorenz96.forecast(torch.from_numpy(x[:-1]), FORCING, DT, 1).numpy()
    b, a = np.polyfit(x[:-1].ravel(), (x[1:] - stepped).ravel(), 1)
    FILE.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.write(f"linear closure: {a:.5f} + {b:.5f} x a step\n")
    export_module(
        Closure(float(a), float(b)),
        FILE,
        role="correction",
        model="lorenz96",
        interval=DT,
        forcing=FORCING,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
