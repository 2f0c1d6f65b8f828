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
ANALYSES = [name for name, table in SCORES.items() if table.get("role") in (None, "analysis")]
"""The other roles: test_in_place.py."""

CYCLES, BURN_IN = 1400, 400
STANDARD_ERRORS = 0.012
"""Three of a mean over a thousand cycles, and what a 3D-Var is above: far away."""


def groups_of(name: str) -> Groups:
    network = REPOSITORY / "models_export" / f"{name}.pt"
    return {
        "cycle": {"analysis": "var3d", "cycles": CYCLES, "burn_in": BURN_IN, "seed": 11},
        "ensemble": {"members": 1, "initial": "truth", "initial_sd": 0.5},
        "networks": {"analysis": str(network)},
        "output": {"fields_every": 0, "feedback": False},
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ANALYSES)
def test_an_analysis_reaches_its_score(name: str, run: Run, tmp_path: Path) -> None:
    with netCDF4.Dataset(run(groups_of(name), tmp_path)) as file:
        rmse = float(np.mean(file["analysis_rmse"][BURN_IN:]))
    assert rmse < SCORES[name]["rmse"] + STANDARD_ERRORS


@pytest.mark.slow
def test_the_same_file_does_as_well_on_a_larger_circle(run: Run, tmp_path: Path) -> None:
    name, burn_in = "dan_l96_memory", 100
    larger: Groups = {"cycle": {"cycles": 300, "burn_in": burn_in}, "lorenz96": {"n": 400}}
    with netCDF4.Dataset(run(nml.merge(groups_of(name), larger), tmp_path)) as file:
        rmse = float(np.sqrt(np.mean(np.square(file["analysis_rmse"][burn_in:]))))
    assert rmse < SCORES[name]["rmse"] + STANDARD_ERRORS


@pytest.mark.slow
def test_members_with_departures_of_their_own_have_the_spread_of_their_errors(
    run: Run, tmp_path: Path
) -> None:
    name, burn_in = "dan_l96_memory", 200
    several: Groups = {
        "cycle": {"cycles": 700, "burn_in": burn_in},
        "ensemble": {"members": 4},
        "networks": {"departures": "perturbed"},
    }
    with netCDF4.Dataset(run(nml.merge(groups_of(name), several), tmp_path)) as file:
        rmse, spread = (float(np.mean(file[f"analysis_{s}"][burn_in:])) for s in ("rmse", "spread"))
    assert rmse < SCORES[name]["rmse"] + 2 * STANDARD_ERRORS
    assert 0.9 * rmse < spread < 1.4 * rmse


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
