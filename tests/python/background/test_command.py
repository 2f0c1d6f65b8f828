"""`dacycle background`, from a run to the namelist that uses its file."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import netCDF4
import pytest

from dacycle.cli import main

RUN = (
    "&cycle cycles = 300, burn_in = 50, analysis = 'var3d' /\n&lorenz96 n = 12 /\n"
    "&ensemble members = 1, initial = 'truth', initial_sd = 0.1 /\n"
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DACYCLE_PROGRAM", str(program))
    Path("run.nml").write_text(RUN)
    assert main(["run", "run.nml", "--quiet"]) == 0
    return tmp_path


def test_the_file_serves_the_program(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    da_cycle: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    command = ["background", "run.nc", "--method", "nmc", "--leads", "0.2", "0.4", "-o", "b.nc"]
    assert main(command) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "B of lorenz96, nmc, leads 0.2 and 0.4: 246 fields"
    assert said[-1] == "written: b.nc, b.png"
    assert (here / "b.png").stat().st_size > 1000
    # Both lines that are to be pasted are right, and the run with the file is a good one.
    for line in said[3:5]:
        Path("next.nml").write_text(f"{RUN}{line}\n")
        done = da_cycle(["--check", "next.nml"], cwd=here)
        assert (done.returncode, done.stderr) == (0, "")
    tuned = said[3].replace("factor = 1 ", "factor = 0.3 ")
    Path("next.nml").write_text(f"{RUN}{tuned}\n&output file = 'next.nc' /\n")
    assert main(["run", "next.nml", "--quiet"]) == 0
    scores = []
    for name in ("run.nc", "next.nc"):
        with netCDF4.Dataset(name) as file:
            scores.append(float(file["analysis_rmse"].time_mean))
    assert scores[1] < scores[0] < 0.6


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["no.nc", "--method", "nmc", "--leads", "0.2", "0.4"], "no.nc: no such file"),
        (["run.nc", "--method", "nmc"], "--method nmc takes two leads, 0 given"),
        (["run.nc", "--method", "climatology", "--leads", "1"], "takes no lead, 1 given"),
        (["run.nc", "--method", "climatology"], "needs a free run"),
        (["run.nc", "--method", "ensemble"], "members = 2 or more"),
        (["run.nc", "--method", "nmc", "--leads", "0.2", "0.4", "-o", "run.nc"], "run file itself"),
        (["run.nc", "--method", "nmc", "--leads", "0.2", "0.4", "-o", "no/b.nc"], "no/b.nc"),
        (["run.nc", "--method", "nmc", "--leads", "0", "0.2", "--lags", "9"], "lags 9"),
    ],
)
def test_faults_are_one_line(
    arguments: list[str], words: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(here.iterdir())
    assert main(["background", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("dacycle: error: ")
    assert words in said.err
    assert sorted(here.iterdir()) == before
