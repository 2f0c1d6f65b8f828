"""Networks in the cycle give the same bits on any number of ranks, and after a restart."""

import filecmp
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dacycle import namelist as nml

Groups = dict[str, dict[str, Any]]
Run = Callable[..., Path]

HOMOGENEOUS: Groups = {"background": {"covariance": "homogeneous", "sd": 0.4}}
SHORT: Groups = {"cycle": {"cycles": 6, "burn_in": 2}}
PERTURBED: Groups = {"networks": {"departures": "perturbed"}}
CASES: dict[str, tuple[str, str, Groups]] = {
    "model": ("model", "single.pt", {"ensemble": {"members": 5}}),
    "adjoint": (
        "model",
        "model.pt",
        {
            "cycle": {"analysis": "var4d"},
            "ensemble": {"members": 1},
            "variational": {"window": 2},
            "background": HOMOGENEOUS["background"],
        },
    ),
    "adjoint on narrow slabs": (
        "model",
        "model.pt",
        {
            "cycle": {"analysis": "var4d"},
            "lorenz96": {"n": 13},
            "ensemble": {"members": 1},
            "variational": {"window": 2},
            "background": HOMOGENEOUS["background"],
        },
    ),
    "observed": (
        "observation",
        "square.pt",
        {
            "cycle": {"analysis": "ienks"},
            "ensemble": {"members": 8, "initial": "truth", "initial_sd": 0.5},
            "ienks": {"window": 3},
            "observations": {"kinds": ["square"], "error_sd": 5.0},
        },
    ),
    "tendency": (
        "correction",
        "tendency.pt",
        {
            "cycle": {"analysis": "var4d"},
            "lorenz96": {"n": 13},
            "ensemble": {"members": 1},
            "variational": {"window": 2},
            "background": HOMOGENEOUS["background"],
        },
    ),
    "many tiles": (
        "correction",
        "correction.pt",
        {
            "cycle": {"analysis": "var4d", "interval": 0.1, "cycles": 2, "burn_in": 0},
            "lorenz96": {"n": 40001},
            "ensemble": {"members": 1, "initial": "truth", "initial_sd": 0.5},
            "variational": {"window": 1, "inner_iterations": 3},
            "background": HOMOGENEOUS["background"],
        },
    ),
    "memory": (
        "analysis",
        "counting.pt",
        {"ensemble": {"members": 3}, "observations": {"stride": 1.7}},
    ),
    "perturbed observations": (
        "analysis",
        "alone.pt",
        nml.merge(PERTURBED, {"ensemble": {"members": 3}, "observations": {"stride": 1.7}}),
    ),
    "fallback": (
        "analysis",
        "counting.pt",
        nml.merge(
            PERTURBED,
            {
                "cycle": {"analysis": "letkf", "cycles": 12},
                "ensemble": {"members": 3},
                "networks": {
                    "fallback_limit": 0.1,
                    "fallback_patience": 3,
                    "fallback_duration": 4,
                },
            },
        ),
    ),
    "narrow slabs": (
        "analysis",
        "counting.pt",
        {"ensemble": {"members": 3}, "lorenz96": {"n": 13}},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("ranks", [2, 3, 5])
def test_every_layout_gives_the_same_file(
    case: str, ranks: int, networks: Path, run: Run, tmp_path: Path
) -> None:
    role, file, groups = CASES[case]
    groups = nml.merge(nml.merge(SHORT, groups), {"networks": {role: str(networks / file)}})
    one = run(groups, tmp_path / "one")
    assert filecmp.cmp(one, run(groups, tmp_path / "many", ranks), shallow=False)
