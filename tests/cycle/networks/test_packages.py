"""Compiled networks: those of the TorchScript files to rounding, on any layout; else refused."""

import filecmp
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import torch

from dacycle import namelist as nml

Groups = dict[str, dict[str, Any]]
Run = Callable[..., Path]
Refusal = Callable[..., str]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler is at hand"),
    pytest.mark.skipif(" " in torch.__file__, reason="PyTorch compiles on no path with a space"),
]

ROUNDING = 1e-8
"""Of states of size 10: errors of 1e-15 a step, grown by the flow for a time unit."""

SHORT: Groups = {"cycle": {"cycles": 20, "burn_in": 5}}
START: Groups = {"ensemble": {"members": 5, "initial": "truth", "initial_sd": 0.5}}
LETKF: Groups = nml.merge(nml.merge(SHORT, START), {"cycle": {"analysis": "letkf"}})
VAR4D: Groups = nml.merge(
    nml.merge(SHORT, START),
    {
        "cycle": {"analysis": "var4d"},
        "ensemble": {"members": 1},
        "variational": {"window": 4, "gradient_reduction": 1e-8},
        "background": {"covariance": "homogeneous", "sd": 0.4},
    },
)
SCHEMES = {"letkf": LETKF, "var4d": VAR4D}
"""One that needs forecasts, and one that needs tangent linear and adjoint."""


def with_model(groups: Groups, network: Path) -> Groups:
    return nml.merge(groups, {"networks": {"model": str(network)}})


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_package_is_its_script(
    scheme: str, networks: Path, package: Path, run: Run, tmp_path: Path
) -> None:
    script = run(with_model(SCHEMES[scheme], networks / "model.pt"), tmp_path / "script")
    compiled = run(with_model(SCHEMES[scheme], package), tmp_path / "compiled")
    with netCDF4.Dataset(script) as one, netCDF4.Dataset(compiled) as other:
        for name in ("background_mean", "analysis_mean"):
            assert np.abs(one[name][:] - other[name][:]).max() < ROUNDING


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_layout_gives_the_same_file(
    scheme: str, package: Path, run: Run, tmp_path: Path
) -> None:
    groups = nml.merge(with_model(SCHEMES[scheme], package), {"cycle": {"cycles": 6, "burn_in": 2}})
    one = run(groups, tmp_path / "one")
    for ranks in (2, 3):
        assert filecmp.cmp(one, run(groups, tmp_path / "many", ranks), shallow=False)


@pytest.fixture
def refusal(error_of: Callable[..., str], tmp_path: Path) -> Refusal:
    """`refusal(path, **settings)`: what the run with that package says of it."""

    def say(path: Path, **settings: str) -> str:
        nml.write({"networks": {"model": str(path)} | settings}, tmp_path / "run.nml")
        return error_of(["run.nml"]).removeprefix(f"run.nml: &networks model: {path}: ")

    return say


def changed(package: Path, target: Path, said: Callable[[str], str]) -> Path:
    """The package as if made for something else."""
    with zipfile.ZipFile(package) as old, zipfile.ZipFile(target, "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            if entry.filename.endswith("/extra/made_for"):
                content = said(content.decode()).encode()
            new.writestr(entry, content)
    return target


@pytest.mark.parametrize("kept", [0, 5, 0.5, 0.99])
def test_cut_short(kept: float, package: Path, refusal: Refusal, tmp_path: Path) -> None:
    path = tmp_path / "short.pt2"
    content = package.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    assert refusal(path) == "is not an AOTInductor package, or is cut short"


def test_a_script_of_that_name(networks: Path, refusal: Refusal, tmp_path: Path) -> None:
    path = tmp_path / "script.pt2"
    shutil.copyfile(networks / "model.pt", path)
    assert refusal(path) == "does not say what it was made for: not written by dacycle export"


def test_another_release(package: Path, refusal: Refusal, tmp_path: Path) -> None:
    path = changed(package, tmp_path / "old.pt2", lambda said: re.sub(r"^\S+", "2.12.0", said))
    assert refusal(path).startswith("was compiled for torch 2.12.0, here is ")


def test_another_processor(package: Path, refusal: Refusal, tmp_path: Path) -> None:
    path = changed(package, tmp_path / "other.pt2", lambda said: f"{said} avx2048")
    assert refusal(path) == (
        "was compiled for a processor with avx2048, which this one has not; make it anew on this "
        "machine with dacycle export NAME.pt --aoti"
    )
