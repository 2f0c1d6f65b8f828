"""Sweeps of runs that take a moment each."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dacycle.sweep import Plan
from dacycle.sweep.plan import Values


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: Path) -> Path:
    """An empty working directory, and the program under test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DACYCLE_PROGRAM", str(program))
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


@pytest.fixture
def make_plan() -> Callable[..., Plan]:
    """`make_plan(keys, **entries)`: a sweep of an ETKF on 12 points over 60 cycles."""

    def make(keys: dict[str, Values], **entries: Any) -> Plan:
        base: dict[str, dict[str, Any]] = {
            "cycle": {"analysis": "etkf", "cycles": 60, "burn_in": 20},
            "lorenz96": {"n": 12},
            "ensemble": {"members": 15, "initial": "truth", "initial_sd": 0.1},
        }
        return Plan(base=base, keys=keys, **entries)

    return make
