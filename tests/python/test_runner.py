"""Runs started from Python: the real program, and stand-ins that fail in ways it seldom does."""

import io
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dacycle
from dacycle import namelist as nml
from dacycle import runner
from dacycle.run_file import effective_namelist

SHORT: dict[str, dict[str, Any]] = {
    "cycle": {"cycles": 20, "burn_in": 5, "analysis": "etkf"},
    "lorenz96": {"n": 12},
    "ensemble": {"members": 8},
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: Path) -> Path:
    """An empty working directory, and the program under test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DACYCLE_PROGRAM", str(program))
    return tmp_path


@pytest.fixture
def stand_in(here: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """`stand_in(script)` puts a shell script in the place of the program."""

    def put(script: str) -> None:
        path = here / "stand_in"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("DACYCLE_PROGRAM", str(path))

    return put


def hidden_files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.startswith(".")]


def test_a_dictionary_runs(here: Path) -> None:
    with dacycle.run(SHORT, output="short.nc") as run:
        assert run.sizes["time"] == 20
        assert run.sizes["x"] == 12
        assert effective_namelist(run)["ensemble"]["members"] == 8
        assert np.isfinite(run["analysis_rmse"]).all()
    assert hidden_files(here) == []


def test_a_file_runs_where_it_says(here: Path) -> None:
    (here / "elsewhere").mkdir()
    nml.write(nml.merge(SHORT, {"output": {"file": "elsewhere/file.nc"}}), "run.nml")
    assert runner.output_path("run.nml") == Path("elsewhere/file.nc")
    dacycle.run("run.nml").close()
    assert (here / "elsewhere" / "file.nc").is_file()


def test_another_directory_and_output(here: Path) -> None:
    (here / "settings").mkdir()
    (here / "results").mkdir()
    nml.write(SHORT, "settings/run.nml")
    dacycle.run("settings/run.nml", output="mine.nc", directory="results").close()
    assert [path.name for path in (here / "results").glob("*.nc")] == ["mine.nc"]
    assert hidden_files(here / "results") == []


def test_the_default_output_is_the_programs(here: Path) -> None:
    """It is named after the namelist, and lies in the folder of the run."""
    (here / "settings").mkdir()
    for name in ("mine.nml", "mine.v2"):
        nml.write(SHORT, f"settings/{name}")
        written = runner.output_path(f"settings/{name}")
        dacycle.run(f"settings/{name}").close()
        assert written.is_file()
    assert sorted(path.name for path in here.glob("*")) == ["mine.nc", "mine.v2.nc", "settings"]
    dacycle.run(SHORT).close()
    assert (here / "run.nc").is_file()


def test_own_folder_stays_that_of_the_namelist(here: Path) -> None:
    (here / "settings").mkdir()
    missing = {"truth": {"source": "file", "file": "@/none.nc"}}
    nml.write(nml.merge(SHORT, missing), "settings/run.nml")
    for output in (None, "mine.nc"):
        with pytest.raises(dacycle.RunError, match=r"settings/none\.nc"):
            dacycle.run("settings/run.nml", output=output)


def test_two_ranks_give_the_same_bits(here: Path) -> None:
    runs = [dacycle.run(SHORT, ranks, output=f"{ranks}.nc") for ranks in (1, 2)]
    for name in runs[0].data_vars:
        np.testing.assert_array_equal(runs[0][name], runs[1][name])


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_mistake_is_told_in_the_programs_words(here: Path, ranks: int) -> None:
    wrong = nml.merge(SHORT, {"lorenz96": {"forcng": 8.0}})
    with pytest.raises(dacycle.RunError) as caught:
        dacycle.run(wrong, ranks)
    assert caught.value.status == 2
    assert str(caught.value).startswith("namelist, line ")
    assert "&lorenz96 forcng is not a known key" in str(caught.value)
    assert hidden_files(here) == []
    with pytest.raises(dacycle.RunError, match="forcng is not a known key"):
        dacycle.check(wrong)


def test_a_sound_namelist_passes_the_check(here: Path) -> None:
    dacycle.check(SHORT)
    assert list(here.glob("*.nc*")) == []


def test_a_missing_namelist_is_the_programs_to_refuse(here: Path) -> None:
    with pytest.raises(dacycle.RunError, match=r"none\.nml"):
        dacycle.run("none.nml")


def test_a_missing_folder_is_told(here: Path) -> None:
    with pytest.raises(dacycle.NamelistError, match="no_folder: No such file or directory"):
        dacycle.run(SHORT, output="no_folder/run.nc")


def test_progress_goes_to_the_stream(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    dacycle.run(SHORT, output="run.nc", progress=stream).close()
    assert "\n" in stream.getvalue()
    dacycle.run(SHORT, output="run.nc").close()
    assert capfd.readouterr() == ("", "")


def test_restart_excludes_fresh() -> None:
    with pytest.raises(ValueError, match="give one"):
        dacycle.run(SHORT, restart=True, fresh=True)


def test_a_crash_without_a_word_is_told(stand_in: Callable[[str], None]) -> None:
    stand_in("kill -SEGV $$")
    with pytest.raises(dacycle.RunError) as caught:
        dacycle.run(SHORT, output="run.nc")
    assert caught.value.status == -signal.SIGSEGV
    assert str(caught.value) == f"da_cycle ended with status {-signal.SIGSEGV}"


def test_what_a_launcher_says_becomes_one_line(stand_in: Callable[[str], None]) -> None:
    stand_in("printf -- '-----\\nno slots\\n  left\\n-----\\n' >&2; exit 3")
    with pytest.raises(dacycle.RunError, match=r"^no slots left$") as caught:
        dacycle.run(SHORT, output="run.nc")
    assert caught.value.status == 3


def test_options_reach_the_program(stand_in: Callable[[str], None]) -> None:
    stand_in('echo "da_cycle: error: $*" >&2; exit 1')
    with pytest.raises(dacycle.RunError, match=r"^--restart --progress none namelist$"):
        dacycle.run(SHORT, output="run.nc", restart=True)
    with pytest.raises(dacycle.RunError, match=r"^--fresh --progress plain namelist$"):
        dacycle.run(SHORT, output="run.nc", fresh=True, progress=io.StringIO())


def test_an_interrupt_lets_the_program_end_well(
    here: Path, stand_in: Callable[[str], None]
) -> None:
    stand_in("trap 'touch checkpoint; exit 143' TERM; echo started; while :; do sleep 0.05; done")

    class Started(io.StringIO):
        def write(self, text: str) -> int:
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
            return len(text)

    with pytest.raises(KeyboardInterrupt):
        dacycle.run(SHORT, output="run.nc", progress=Started())
    assert (here / "checkpoint").is_file()
    assert hidden_files(here) == []
