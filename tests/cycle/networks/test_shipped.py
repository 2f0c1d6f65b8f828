"""The networks of models_export in the cycle: they run as they are, and are worth it."""

import hashlib
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest

from dacycle import namelist as nml

Groups = dict[str, dict[str, Any]]
Run = Callable[..., Path]

REPOSITORY = Path(__file__).parents[3]
SCORES = tomllib.loads((REPOSITORY / "models_export/scores.toml").read_text(encoding="utf-8"))
ANALYSES = [name for name in SCORES if name.startswith("dan_")]
CYCLES, BURN_IN = 1400, 400
STANDARD_ERRORS = 0.012
"""Three of a mean over a thousand cycles, and what a 3D-Var is above: far away."""


@pytest.mark.slow
@pytest.mark.parametrize("name", ANALYSES)
def test_an_analysis_reaches_its_score(name: str, run: Run, tmp_path: Path) -> None:
    network = REPOSITORY / "models_export" / f"{name}.pt"
    groups: Groups = {
        "cycle": {"analysis": "var3d", "cycles": CYCLES, "burn_in": BURN_IN, "seed": 11},
        "ensemble": {"members": 1, "initial": "truth", "initial_sd": 0.5},
        "networks": {"analysis": str(network)},
        "output": {"fields_every": 0, "feedback": False},
    }
    with netCDF4.Dataset(run(groups, tmp_path)) as file:
        rmse = float(np.mean(file["analysis_rmse"][BURN_IN:]))
    assert rmse < SCORES[name]["rmse"] + STANDARD_ERRORS


def test_every_file_has_a_card_and_a_score() -> None:
    files = {path.stem for path in (REPOSITORY / "models_export").glob("*.pt")}
    cards = {path.stem for path in (REPOSITORY / "models_export").glob("*.md")} - {"README"}
    assert files == cards == set(SCORES)


def test_files_are_those_of_their_cards() -> None:
    for name in SCORES:
        path = REPOSITORY / "models_export" / f"{name}.pt"
        card = path.with_suffix(".md").read_text(encoding="utf-8")
        assert hashlib.sha256(path.read_bytes()).hexdigest() in card


def test_a_run_elsewhere_is_warned(da_cycle: Callable[..., Any], run: Run, tmp_path: Path) -> None:
    name = ANALYSES[0]
    groups: Groups = {
        "cycle": {"analysis": "none", "cycles": 2, "burn_in": 0, "interval": 0.1},
        "ensemble": {"members": 1},
        "networks": {"analysis": str(REPOSITORY / "models_export" / f"{name}.pt")},
    }
    nml.write(groups, tmp_path / "run.nml")
    done = da_cycle(["run.nml"], 1, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "warning" in done.stdout
    assert "for analyses each 0.05, here each 0.1" in done.stdout
