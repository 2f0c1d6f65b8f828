"""The benchmark against DAPPER: its cases, its numbers, and what it does without DAPPER."""

import importlib.util
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from dacycle import namelist as nml
from dacycle import runner


@pytest.fixture(scope="module")
def peers(repository: Path) -> ModuleType:
    path = repository / "benchmarks" / "peers.py"
    spec = importlib.util.spec_from_file_location("peers", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["peers"] = module  # where its dataclasses look up their names
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def the_program(monkeypatch: pytest.MonkeyPatch, program: Path) -> None:
    monkeypatch.setenv("DACYCLE_PROGRAM", str(program))


def test_both_sides_have_the_same_settings(peers: ModuleType) -> None:
    for case in peers.CASES:
        groups, settings = case.ours, case.settings
        assert settings.get("N", 1) == groups["ensemble"]["members"]
        assert settings.get("infl") == groups.get("inflation", {}).get("posterior")
        window = groups.get("variational", groups.get("ienks", {}))
        assert settings.get("Lag") == window.get("window")
        assert settings.get("xB") == groups.get("background", {}).get("factor")
        assert settings.get("xN") == groups.get("ienks", {}).get("hyperprior")
        assert case.steps == round(groups["cycle"]["interval"] / 0.05)
        assert settings.get("loc_rad") == groups.get("localisation", {}).get("radius")
        assert case.points == groups["lorenz96"]["n"]
        if groups["cycle"]["analysis"] in runner.defaults().split("&truth")[0]:
            runner.check(groups)  # of a filter that is there


def test_the_radius_gives_the_local_observations_it_says(peers: ModuleType) -> None:
    """Half-width 8: a weight for |d| < 16.02, so for d = -16 ... 16."""
    assert peers.local_observations(peers.RADIUS, 4000) == 33
    assert peers.local_observations(6.0, 40) == 40
    assert peers.local_observations(1.0, 40) == 7  # |d| < 3.64


def test_the_cost_of_a_cycle_is_measured(peers: ModuleType, tmp_path: Path) -> None:
    groups = {
        "lorenz96": {"n": 400},
        "output": {"fields_every": 0, "feedback": False},
        "checkpoint": {"every": 0},
    }
    one = peers.ours(groups, 50, 250, tmp_path)
    more = peers.ours(nml.merge(groups, {"lorenz96": {"n": 1600}}), 50, 250, tmp_path)
    assert 0 < 2 * one < more
    with pytest.raises(RuntimeError, match="raduis is not a known key"):
        peers.ours({"localisation": {"raduis": 1.0}}, 1, 2, tmp_path)


def test_numbers_keep_three_digits(peers: ModuleType) -> None:
    assert peers.shown([0.05234]) == "0.0523"
    assert peers.shown([1.0, 3.0, 1547.3]) == "3.00 (1.00 - 1547)"


@pytest.mark.skipif(
    platform.machine() != "x86_64" or shutil.which("gcc") is None,
    reason="reads what gcc writes for x86-64",
)
@pytest.mark.parametrize("contract", ["fast", "off"])
@pytest.mark.parametrize(
    ("target", "chains", "register", "fuses"),
    [
        ("x86-64", 12, "xmm", False),
        ("x86-64-v3", 12, "ymm", True),
        ("x86-64-v4", 24, "zmm", True),
    ],
)
def test_the_limit_of_a_core_is_that_of_its_registers(
    target: str, chains: int, register: str, fuses: bool, contract: str, repository: Path
) -> None:
    """Nothing but arithmetic between registers as wide as there are, whatever this core has."""
    source = repository / "benchmarks" / "fma_peak.c"
    options = ["-O2", f"-march={target}", f"-ffp-contract={contract}", "-S", "-o", "-", source]
    done = subprocess.run(["gcc", *options], capture_output=True, text=True, check=True)
    loops = re.findall(r"\n\.L\d+:\n((?:\t[^.].*\n)+?)\tj\w+\t", done.stdout)
    loop = next(body for body in loops if len(re.findall("mulpd|vfmadd", body)) > 1)
    counts = {one: len(re.findall(rf"\tv?{one}\w*\t", loop)) for one in ("fmadd", "mulpd", "addpd")}
    fused = fuses and contract == "fast"
    assert counts == {
        "fmadd": chains if fused else 0,
        "mulpd": 0 if fused else chains,
        "addpd": 0 if fused else chains,
    }
    assert loop.count(f"%{register}") >= 2 * chains
    assert "(" not in loop  # no operand in memory


def test_a_python_that_is_not_there_is_told(peers: ModuleType, tmp_path: Path) -> None:
    said: list[str] = []
    peers.ROOT = tmp_path
    assert peers.install_dapper("no_such_python", said.append) is None
    assert said == ["no Python 3.12 or newer was found (--python names one): DAPPER is not run"]


@pytest.mark.slow
def test_without_dapper_the_output_says_so(repository: Path) -> None:
    line = [sys.executable, repository / "benchmarks" / "peers.py", "--without-dapper"]
    done = subprocess.run(
        [*line, "--repeats", "1", "--only", "global ETKF"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("DAPPER was not run: its numbers are those measured before")
    assert "| 0.85 (measured before) |" in done.stdout
    assert "ns a variable and Runge-Kutta step of 28 flops" in done.stdout
