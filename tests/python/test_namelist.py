"""Namelists as dictionaries, there and back."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dacycle.errors import NamelistError
from dacycle.namelist import merge, parse, read, resolve, text, write

GROUPS: dict[str, dict[str, Any]] = {
    "lorenz96": {"n": 40, "forcing": 8.0, "dt": 0.05},
    "cycle": {"cycles": 5000, "model": "lorenz96", "seed": 10**12},
    "etkf": {"rotation": True},
    "observations": {"positions": [0.0, 2.5, 1e-5], "file": "it's/here.nc"},
    "stochastic_enkf": {},
}


def test_written_groups_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "run.nml"
    write(GROUPS, path)
    assert read(path) == GROUPS
    assert list(read(path)) == list(GROUPS)


def test_fortran_forms_are_understood() -> None:
    source = "! a comment\n&Cycle Cycles=5000, Model = 'lorenz96' ! more\n/\n&etkf rotation=T /\n"
    assert parse(source) == {
        "cycle": {"cycles": 5000, "model": "lorenz96"},
        "etkf": {"rotation": True},
    }


def test_numpy_values_and_paths_are_written() -> None:
    groups = {
        "a": {"n": np.int64(3), "x": np.float64(0.5), "list": np.array([1.0, 2.0])},
        "b": {"file": Path("folder/truth.nc"), "yes": np.bool_(True), "pair": (1, 2)},
    }
    assert parse(text(groups)) == {
        "a": {"n": 3, "x": 0.5, "list": [1.0, 2.0]},
        "b": {"file": "folder/truth.nc", "yes": True, "pair": [1, 2]},
    }


@pytest.mark.parametrize("value", [None, {"inner": 1}, [], [1, None], object()])
def test_what_has_no_form_is_refused(value: Any) -> None:
    with pytest.raises(NamelistError, match=r"&cycle seed: .* has no form in a namelist"):
        text({"cycle": {"seed": value}})


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("&a x=1", "run.nml: cannot be read as a Fortran namelist"),
        ("&a x='open\n/", "run.nml: cannot be read as a Fortran namelist"),
        ("&a x=1 / &a x=2 /", "run.nml: group &a stands there more than once"),
        ("&a x(3)=1.0 /", r"run.nml: &a x: give the whole list, not x\(index\)"),
    ],
)
def test_what_is_no_namelist_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, message: str
) -> None:
    path = tmp_path / "run.nml"
    path.write_text(source)
    with pytest.raises(NamelistError, match=message):
        read(path)
    assert capsys.readouterr().out == ""


def test_missing_and_binary_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NamelistError, match=r"none\.nml: No such file or directory"):
        read(tmp_path / "none.nml")
    (tmp_path / "binary.nml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(NamelistError, match="not a text file"):
        read(tmp_path / "binary.nml")
    with pytest.raises(NamelistError, match="No such file or directory"):
        write(GROUPS, tmp_path / "no_folder" / "run.nml")


def test_merge_sets_keys_and_leaves_its_arguments() -> None:
    base = {"cycle": {"cycles": 10, "seed": 1}}
    changes = {"CYCLE": {"Seed": 2}, "etkf": {"rotation": False}}
    assert merge(base, changes) == {
        "cycle": {"cycles": 10, "seed": 2},
        "etkf": {"rotation": False},
    }
    assert base == {"cycle": {"cycles": 10, "seed": 1}}


def test_own_folder_is_resolved(tmp_path: Path) -> None:
    groups = {"truth": {"file": "@/data/truth.nc", "model": "lorenz96", "more": ["@/a", "b"]}}
    assert resolve(groups, tmp_path) == {
        "truth": {
            "file": str(tmp_path / "data" / "truth.nc"),
            "model": "lorenz96",
            "more": [str(tmp_path / "a"), "b"],
        }
    }
