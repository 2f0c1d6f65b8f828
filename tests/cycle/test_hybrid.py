"""Covariances of ensembles in an analysis: neutral settings, and a hybrid against its parents."""

import filecmp
from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest

from dacycle import namelist as nml

Groups = dict[str, dict[str, Any]]
Run = Callable[..., Path]

SHORT: Groups = {"cycle": {"cycles": 60, "burn_in": 10}, "ensemble": {"members": 5}}
VAR4D = nml.merge(SHORT, {"cycle": {"analysis": "var4d"}, "variational": {"window": 2}})
E4DVAR = nml.merge(SHORT, {"cycle": {"analysis": "e4dvar"}, "variational": {"window": 2}})


@pytest.mark.parametrize(
    ("groups", "neutral", "other"),
    [
        (VAR4D, {"hybrid": {"weight": 0.0}}, {"hybrid": {"weight": 0.1}}),
        (E4DVAR, {"hybrid": {"inflation": 1.0}}, {"hybrid": {"inflation": 1.1}}),
        (E4DVAR, {"hybrid": {"filter": "letkf"}}, {"hybrid": {"filter": "ensrf"}}),
    ],
)
def test_neutral_settings_change_no_bit(
    groups: Groups, neutral: Groups, other: Groups, run: Run, tmp_path: Path
) -> None:
    without = run(groups, tmp_path / "without")
    neutrally = run(nml.merge(groups, neutral), tmp_path / "neutral")
    otherwise = run(nml.merge(groups, other), tmp_path / "other")
    assert filecmp.cmp(without, neutrally, shallow=False)
    assert not np.array_equal(rmse(without), rmse(otherwise))


def test_hybrid_4dvar_beats_its_parents(run: Run, tmp_path: Path) -> None:
    """Ten members, each scheme as tuned in docs/hybrid.md; the margins are three times what the
    mean of so many cycles is uncertain by."""
    margin = 0.01
    common: Groups = {
        "cycle": {"cycles": 1500, "burn_in": 300},
        "ensemble": {"members": 10, "initial": "truth", "initial_sd": 0.1},
        "output": {"fields_every": 0, "feedback": False},
    }
    window: Groups = {"variational": {"window": 6}}
    filtered: Groups = {"inflation": {"posterior": 1.03}, "localisation": {"radius": 6.0}}
    letkf = nml.merge(common, {"cycle": {"analysis": "letkf"}, **filtered})
    var4d = nml.merge(
        common,
        {
            "cycle": {"analysis": "var4d"},
            "ensemble": {"members": 1},
            "background": {"factor": 0.002},
            **window,
        },
    )
    hybrid: Groups = {
        "cycle": {"analysis": "e4dvar"},
        "hybrid": {"weight": 0.9},
        "background": {"factor": 0.0005},
        "inflation": {"posterior": 1.02},
        "localisation": {"radius": 6.0},
        **window,
    }
    e4dvar = mean_rmse(run(nml.merge(common, hybrid), tmp_path / "e4dvar"))
    assert e4dvar < mean_rmse(run(letkf, tmp_path / "letkf")) - margin
    assert e4dvar < mean_rmse(run(var4d, tmp_path / "var4d")) - margin


def rmse(path: Path) -> np.ndarray:
    with netCDF4.Dataset(path) as file:
        return np.asarray(file["analysis_rmse"][:])


def mean_rmse(path: Path) -> float:
    return float(rmse(path)[300:].mean())
