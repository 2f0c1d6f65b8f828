"""Where the program is found, and how it is started."""

import stat
from pathlib import Path

import pytest

from dacycle import program
from dacycle.errors import ProgramError
from dacycle.program import command, environment, find_program, packaged_program


def executable(path: Path) -> Path:
    path.write_text("#!/bin/sh\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_the_package_holds_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DACYCLE_PROGRAM", raising=False)
    packaged = packaged_program()
    assert packaged is not None
    assert find_program() == packaged


def test_a_named_program_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = executable(tmp_path / "another")
    monkeypatch.setenv("DACYCLE_PROGRAM", str(named))
    assert find_program() == named
    monkeypatch.setenv("DACYCLE_PROGRAM", str(tmp_path / "missing"))
    with pytest.raises(ProgramError, match="missing is no executable file"):
        find_program()
    monkeypatch.setenv("DACYCLE_PROGRAM", str(tmp_path))
    with pytest.raises(ProgramError, match="is no executable file"):
        find_program()


def test_the_path_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DACYCLE_PROGRAM", raising=False)
    monkeypatch.setattr(program, "packaged_program", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramError, match="neither in the package nor on the PATH"):
        find_program()
    on_path = executable(tmp_path / "da_cycle")
    assert find_program() == on_path


def test_one_rank_needs_no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert command(Path("da_cycle"), ["run.nml"], 1) == ["da_cycle", "run.nml"]
    with pytest.raises(ProgramError, match="mpirun is not on the PATH"):
        command(Path("da_cycle"), ["run.nml"], 2)
    with pytest.raises(ValueError, match="at least 1, not 0"):
        command(Path("da_cycle"), [], 0)


def test_the_launcher_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executable(tmp_path / "srun")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DACYCLE_MPIRUN", "srun --mpi=pmix")
    expected = ["srun", "--mpi=pmix", "-n", "3", "da_cycle", "run.nml"]
    assert command(Path("da_cycle"), ["run.nml"], 3) == expected


def test_what_the_user_set_stays() -> None:
    found = environment({"OMP_NUM_THREADS": "4", "HOME": "there"})
    assert found["OMP_NUM_THREADS"] == "4"
    assert found["HOME"] == "there"
    assert found["OMPI_ALLOW_RUN_AS_ROOT"] == "1"


def test_set_up_script_sets_the_same(repository: Path) -> None:
    script = (repository / "bin" / "setup").read_text()
    for name, value in environment({}).items():
        assert f"export {name}=${{{name}-{value}}}\n" in script
