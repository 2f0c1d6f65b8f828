"""Whatever watches a run changes no bit of it: each diagnostic of the list, switched on."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest

from dacycle import namelist as nml

Groups = dict[str, dict[str, Any]]
Run = Callable[..., Path]

FILTER: Groups = {
    "cycle": {"cycles": 60, "burn_in": 20, "seed": 7, "analysis": "letkf"},
    "ensemble": {"members": 8},
    "model_error": {"sd": 0.1, "truth_sd": 0.1},
}
VARIATIONAL: Groups = {
    "cycle": {"cycles": 60, "burn_in": 20, "seed": 7, "analysis": "var4d"},
    "ensemble": {"members": 1},
}

WATCHED: dict[str, tuple[Groups, Groups]] = {
    "scores": (FILTER, {"verification": {"lost_above": 0.3}}),
    "ensemble_scores": (
        FILTER,
        {"verification": {"crps": True, "rank_histogram": True, "thresholds": [0.0, 5.0]}},
    ),
    "regions": (FILTER, {"verification": {"regions": [0, 5, 30, 2]}}),
    "forecasts": (
        FILTER,
        {
            "verification": {
                "lead_times": [0.05, 0.5],
                "forecasts_every": 10,
                "forecast": "ensemble",
            }
        },
    ),
    "smoothing": (FILTER, {"smoother": {"lag": 3}}),
    "impact": (VARIATIONAL, {"impact": {"every": 2, "lead": 0.3, "regions": [0, 5]}}),
    "minimisation": (
        VARIATIONAL,
        {"diagnostics": {"iterations": True, "hessian": "lanczos", "vectors": 15}},
    ),
    "local_analyses": (
        FILTER,
        {"study": {"points": [3, 20], "every": 7, "file": "study.nc"}},
    ),
}
"""A run, and the keys by which a diagnostic has more to see in it."""

ALWAYS = {
    "estimates": "tells of what a scheme estimates, whether anybody asks or not",
    "fallback": "tells of a scheme that takes over, whether anybody asks or not",
}
"""Diagnostics that no key switches on."""


def test_every_diagnostic_is_here(repository: Path) -> None:
    source = (repository / "fortran/diagnostics/list.f90").read_text(encoding="utf-8")
    assert set(re.findall(r"call add\((\w+)_type\(", source)) == WATCHED.keys() | ALWAYS.keys()


@pytest.mark.parametrize("name", WATCHED)
def test_watching_changes_no_bit(name: str, run: Run, tmp_path: Path) -> None:
    groups, keys = WATCHED[name]
    alone = run(groups, tmp_path / "alone")
    watched = run(nml.merge(groups, keys), tmp_path / "watched")
    with netCDF4.Dataset(alone) as one, netCDF4.Dataset(watched) as other:
        assert {"analysis_mean", "background_sd", "obs_analysis"} < one.variables.keys()
        for variable in one.variables:
            first, second = np.asarray(one[variable][:]), np.asarray(other[variable][:])
            assert first.tobytes() == second.tobytes(), variable
        assert one.namelist != other.namelist
