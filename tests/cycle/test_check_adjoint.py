"""`da_cycle --check-adjoint`: every operator of a namelist, on any ranks, and no file written.

That it can fail is shown in `tests/fortran/test_checks.f90`, on operators that are wrong, and here
on a window too long for any linearisation.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path

import netCDF4
import pytest

OPTION = ["--check-adjoint"]
KINDS = "'abs', 'square', 'power', 'log', 'average', 'value'"
ONE = "&ensemble members = 1 /\n"

NAMELISTS = {
    "letkf": "&cycle cycles = 3 /\n",
    "all kinds": f"&cycle cycles = 3 /\n&observations kinds = {KINDS}, stride = 0.7 /\n",
    "curved averages": "&cycle cycles = 3 /\n&observations kinds = 'average', stride = 0.7, "
    "average_curve = 'log', average_half_width = 1.5 /\n",
    "free run": f"&cycle cycles = 3, analysis = 'none' /\n{ONE}",
    "var3d": f"&cycle cycles = 3, analysis = 'var3d' /\n{ONE}",
    "var4d": "&cycle cycles = 6, analysis = 'var4d', interval = 0.2 /\n"
    f"&variational window = 3 /\n&observations kinds = {KINDS} /\n&ensemble members = 2 /\n",
    "ienks": "&cycle cycles = 6, analysis = 'ienks' /\n&ienks window = 3 /\n",
    "one state": f"&cycle cycles = 6, analysis = 'kalman_second_order' /\n{ONE}"
    "&kalman_second_order window = 3 /\n",
    "cubic": "&cycle cycles = 3, analysis = 'var4d', model = 'lorenz96_cubic' /\n"
    f"&background covariance = 'homogeneous' /\n{ONE}",
    "two scales": "&cycle cycles = 3, analysis = 'var3d', model = 'lorenz96_two_scale' /\n"
    f"&lorenz96_two_scale n = 13, fast = 3 /\n&background covariance = 'diagonal' /\n{ONE}",
    "a parameter": "&cycle cycles = 3, analysis = 'etkf', model = 'lorenz96_forced' /\n",
}

Check = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def check(da_cycle: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> Check:
    """`check(text, ranks=1)`: what the program says of a namelist; no file may be written."""

    def run(text: str, ranks: int = 1) -> subprocess.CompletedProcess[str]:
        (tmp_path / "run.nml").write_text(text)
        before = sorted(tmp_path.rglob("*"))
        done = da_cycle([*OPTION, "run.nml"], ranks, cwd=tmp_path)
        assert sorted(tmp_path.rglob("*")) == before
        return done

    return run


@pytest.mark.parametrize("name", NAMELISTS)
def test_operators_are_right_and_the_same_on_any_ranks(name: str, check: Check) -> None:
    alone = check(NAMELISTS[name])
    assert (alone.returncode, alone.stderr) == (0, "")
    lines = alone.stdout.splitlines()
    assert lines[-1].startswith("run.nml: all ")
    assert "nothing to test" not in alone.stdout
    for ranks in (2, 4) if name == "var4d" else (3,):
        spread = check(NAMELISTS[name], ranks)
        assert spread.returncode == 0
        expected = [*lines[:-1], f"layout: {ranks} ranks give the bits of one", lines[-1]]
        assert spread.stdout.splitlines() == expected


@pytest.mark.parametrize(
    ("name", "operators"),
    [
        ("letkf", ["model, one step", "H, cycle 1"]),
        (
            "var4d",
            [
                "model, one step",
                "model, a cycle",
                "model, the window",
                "H, cycle 1",
                "H, cycle 2",
                "H, cycle 3",
                "B^(1/2)",
                "G, all observations of the window",
                "J, the cost function",
                "I + U^T G^T G U, its Hessian",
            ],
        ),
    ],
)
def test_every_operator_has_its_line(name: str, operators: list[str], check: Check) -> None:
    lines = check(NAMELISTS[name]).stdout.splitlines()
    named = [line[:38].rstrip() for line in lines[1:-1] if not line.startswith(" ")]
    assert [line[:34].rstrip() for line in named] == operators
    assert lines[-1] == f"run.nml: all {len(operators)} operators are right"


def test_what_has_no_linear_range_fails(check: Check) -> None:
    """In 40 time units a difference of one bit grows to the size of the attractor."""
    done = check(
        f"&cycle cycles = 300, analysis = 'var4d', interval = 0.2 /\n"
        f"&variational window = 200 /\n{ONE}"
    )
    assert done.returncode == 1
    assert "G, all observations of the window: the Taylor remainder does not fall" in done.stderr
    assert "H, cycle 1:" not in done.stderr
    assert "are right" not in done.stdout


def test_a_cycle_without_observations_is_passed_over(
    check: Check, make_observations: Callable[..., Path]
) -> None:
    path = make_observations(cycles=10, n=8)
    with netCDF4.Dataset(path, "a") as file:
        file["time"][:] = file["time"][:].clip(0.2)
    done = check(
        "&cycle cycles = 10, analysis = 'var3d' /\n&lorenz96 n = 8 /\n"
        f"&observations source = 'file', file = 'observations.nc' /\n{ONE}"
    )
    assert done.returncode == 0, done.stderr
    assert "H, cycle 1                                0  zero here: nothing to test" in done.stdout
    assert "H, cycle 4                               32" in done.stdout


def test_a_wrong_namelist_is_status_2(refused: Callable[..., str]) -> None:
    refused("&cycle analysis = 'var5d' /", ["var5d", "known"], options=OPTION)
    refused(
        "&cycle cycles = 3 /\n&truth source = 'file', file = 'no.nc' /", ["no.nc"], options=OPTION
    )
