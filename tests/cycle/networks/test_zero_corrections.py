"""A correction that is zero changes nothing: a corrected model is its own model in all else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dacycle import namelist as nml

MODELS = {
    "lorenz96_forced": (1, 2),
    "lorenz96_two_scale": (11,),
    "lorenz96_cubic": (1,),
}
"""Components that a network may have: those of the state, or those of parameters, too."""


class Zero(nn.Module):
    """Zero, and to parameters, which are to be kept, anything."""

    def __init__(self, states: int) -> None:
        super().__init__()
        self.states = states
        self.one = nn.Parameter(torch.tensor(1.0), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.zeros_like(x)
        y[:, self.states :] = self.one
        return y


@pytest.mark.parametrize("model", MODELS)
def test_a_zero_correction_changes_no_number(
    model: str, run: Callable[..., Path], save_network: Callable[..., Path], tmp_path: Path
) -> None:
    groups: dict[str, Any] = {
        "cycle": {"cycles": 60, "burn_in": 10, "model": model, "analysis": "etkf"},
        "ensemble": {"members": 24},
    }
    states = 1 if model == "lorenz96_forced" else MODELS[model][0]
    with netCDF4.Dataset(run(groups, tmp_path / "none")) as file:
        expected = {name: file[name][:] for name in file.variables}
    for components in MODELS[model]:
        network = save_network(
            Zero(states),
            tmp_path / f"zero_{components}.pt",
            "correction",
            channels=components,
            changes=f"&network format = 1, role = 'correction', components = {components} /\n"
            f"&trained_for model = '{model}', interval = {0.005 if states > 1 else 0.05} /\n",
        )
        corrected = nml.merge(groups, {"networks": {"correction": str(network)}})
        with netCDF4.Dataset(run(corrected, tmp_path / str(components))) as file:
            assert file.variables.keys() == expected.keys()
            for name, values in expected.items():
                np.testing.assert_array_equal(file[name][:], values, err_msg=name)
