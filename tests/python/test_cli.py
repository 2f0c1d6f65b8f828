"""The command `dacycle`: what it prints, and with which status it ends."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from dacycle.cli import main

MakeRun = Callable[..., Path]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DACYCLE_PROGRAM", str(program))
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


def test_run_then_score_then_plot(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("run.nml").write_text("&cycle cycles = 20, burn_in = 5 /\n&lorenz96 n = 12 /\n")
    assert main(["run", "run.nml", "-n", "2", "-o", "run.nc"]) == 0
    assert capsys.readouterr().out != ""
    assert main(["score", "run.nc"]) == 0
    assert "±" in capsys.readouterr().out
    assert main(["plot", "run.nc", "-o", "pictures"]) == 0
    printed = capsys.readouterr().out.split()
    assert printed == [str(path.relative_to(here)) for path in sorted_pictures(here / "pictures")]


def sorted_pictures(folder: Path) -> list[Path]:
    order = ["scores", "hovmoeller", "innovations", "desroziers", "spectra"]
    return sorted(folder.iterdir(), key=lambda path: order.index(path.stem.rpartition("_")[2]))


@pytest.mark.parametrize(
    ("file", "meant"),
    [
        ("x.nml", "dacycle run x.nml  or  dacycle check x.nml"),
        ("x.nc", "dacycle score x.nc  or  dacycle plot x.nc"),
        ("x.pt", "dacycle validate x.pt"),
        ("x.toml", "dacycle sweep x.toml  or  dacycle train KIND x.toml"),
    ],
)
def test_a_file_in_the_place_of_a_command(
    file: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([file]) == 2
    assert capsys.readouterr().err == f"dacycle: error: '{file}' is a file: {meant}\n"


def test_it_is_a_module_too() -> None:
    line = [sys.executable, "-m", "dacycle", "--version"]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("dacycle ")


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Path("run.nml").write_text("&cycle cycles = 5, burn_in = 0 /\n&lorenz96 n = 12 /\n")
    assert main(["run", "run.nml", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("number", "status", "ranks"), [(signal.SIGTERM, 143, "2"), (signal.SIGINT, 130, "1")]
)
def test_a_stopped_run_leaves_a_checkpoint(
    here: Path, number: int, status: int, ranks: str
) -> None:
    Path("run.nml").write_text("&cycle cycles = 1000000 /\n&output fields_every = 0 /\n")
    line = [Path(sys.executable).with_name("dacycle"), "run", "run.nml", "-n", ranks]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.readline()
        running.send_signal(number)
        running.communicate(timeout=60)
    assert running.returncode == status
    assert list(here.glob("*.checkpoint")) != []


def test_check_and_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["defaults"]) == 0
    complete = capsys.readouterr().out
    assert "&lorenz96" in complete
    Path("complete.nml").write_text(complete)
    assert main(["check", "complete.nml"]) == 0
    assert capsys.readouterr().out == "complete.nml: no mistake found\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "wrong.nml"], "wrong.nml, line 1: &lorenz96 forcng is not a known key"),
        (["check", "wrong.nml"], "wrong.nml, line 1: &lorenz96 forcng is not a known key"),
        (["score", "none.nc"], "none.nc: no such file"),
        (["plot", "none.nc"], "none.nc: no such file"),
        (["plot", "ranks", "run.nc"], "run: no data for the picture 'ranks'"),
        (["plot", "ranks", "skill"], "no run file is named, only pictures: ranks, skill"),
        (["score", "run.nc", "--published", "none.toml"], "none.toml: No such file"),
        (["plot", "run.nc", "-o", "wrong.nml"], "wrong.nml: File exists"),
    ],
)
def test_a_mistake_ends_in_one_line_and_status_2(
    make_run: MakeRun, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    make_run()
    Path("wrong.nml").write_text("&lorenz96 forcng = 8.0 /\n")
    assert main(arguments) == 2
    errors = capsys.readouterr().err
    assert errors.startswith(f"dacycle: error: {message}")
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [[], ["nothing"], ["run"], ["run", "a.nml", "-n", "0"], ["plot", "a.nc", "--last", "-1"]],
)
def test_a_wrong_command_line_ends_in_status_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: dacycle" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "plot", "score", "check", "defaults"])
def test_each_command_helps_with_an_example(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert f"examples:\n  dacycle {command}" in capsys.readouterr().out


def test_a_file_that_contradicts_itself_is_told(
    make_run: MakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    with netCDF4.Dataset(make_run(), "a") as file:
        file["analysis_rmse"].time_mean = 0.1
    assert main(["score", "run.nc"]) == 1
    assert "warning: run.nc: analysis_rmse: mean is stated as 0.1" in capsys.readouterr().err


def test_what_is_verified_is_printed_and_drawn(
    make_run: MakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(verification=True)
    assert main(["score", "run.nc"]) == 0
    printed = capsys.readouterr().out
    for line in ("background CRPS", "rank dispersion", "reliability", "forecast RMSE at 0.5"):
        assert line in printed
    assert main(["plot", "skill", "ranks", "run.nc"]) == 0
    assert capsys.readouterr().out.split() == ["run_skill.png", "run_ranks.png"]


def test_a_table_that_contradicts_itself_is_told(
    make_run: MakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    with netCDF4.Dataset(make_run(verification=True), "a") as file:
        stated = file["forecast_rmse"].time_mean
        file["forecast_rmse"].time_mean = stated + np.array([0.0, 0.0, 1e-6, 0.0])
    assert main(["score", "run.nc"]) == 1
    assert "forecast_rmse: mean of column 2 is stated as" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == "dacycle 0.1.0\n"


def test_scores_need_no_matplotlib(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["score", "run.nc"]) == 0
