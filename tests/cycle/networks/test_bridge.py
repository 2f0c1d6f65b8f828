"""How the bridge to libtorch is loaded."""

import os
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path

from dacycle import namelist as nml

REPOSITORY = Path(__file__).parents[3]

BINDING = re.compile(
    r"file (\S.*?) \[\d+\] to (\S.*?) \[\d+\]: .*symbol `([sd](?:gemm|gemv|ger|syev|syrk|trsm)_)'"
)
"""How the loader of glibc tells whose BLAS or LAPACK procedure a library calls."""


def test_libtorch_and_the_core_each_call_their_own_blas(program: Path, tmp_path: Path) -> None:
    """The loader lists what it binds to what: a reference BLAS makes networks many times slower.

    The DEnKF decomposes a matrix in each cycle, so the core binds its LAPACK on any machine; which
    symbols of which library the loader lists beyond that depends on the machine.
    """
    network = REPOSITORY / "models_export/correction_l96_two_scale.pt"
    settings = {
        "cycle": {"cycles": 3, "analysis": "denkf"},
        "ensemble": {"members": 10},
        "networks": {"correction": str(network)},
    }
    nml.write(settings, tmp_path / "run.nml")
    listing = {"LD_DEBUG": "bindings", "LD_DEBUG_OUTPUT": str(tmp_path / "bound")}
    subprocess.run(
        [program, "--progress", "none", "run.nml"],
        cwd=tmp_path,
        env={**os.environ, **listing},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    bound = {
        found.groups()
        for listed in tmp_path.glob("bound.*")
        for line in listed.read_text(encoding="utf-8", errors="replace").splitlines()
        if (found := BINDING.search(line))
    }
    torch = find_spec("torch")
    assert torch is not None
    assert torch.origin is not None
    # Beside PyTorch lie the libraries that it brings along, in packages of their own.
    packages = Path(torch.origin).resolve().parents[1]

    def with_torch(library: str) -> bool:
        return Path(library).resolve().is_relative_to(packages)

    of_torch = {binding for binding in bound if with_torch(binding[0])}
    of_core = bound - of_torch
    assert "dsyev_" in {symbol for _, _, symbol in of_core}
    assert [binding for binding in of_core if with_torch(binding[1])] == []
    assert [binding for binding in of_torch if not with_torch(binding[1])] == []
