"""How the bridge to libtorch is loaded."""

import os
import re
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]


def test_libtorch_and_the_core_each_call_their_own_blas(program: Path, tmp_path: Path) -> None:
    """The loader lists what it binds to what: a reference BLAS makes networks many times slower."""
    network = REPOSITORY / "models_export/correction_l96_two_scale.pt"
    listing = {"LD_DEBUG": "bindings", "LD_DEBUG_OUTPUT": str(tmp_path / "bound")}
    subprocess.run(
        [program, "--check-network", network],
        env={**os.environ, **listing},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    bound: dict[str, set[str]] = {}
    for listed in tmp_path.glob("bound.*"):
        for line in listed.read_text(encoding="utf-8", errors="replace").splitlines():
            found = re.search(r"file (.+?) \[\d+\] to (.+?) \[\d+\].*`[sd]gemm_'", line)
            if found:
                who, whose = (Path(name).name for name in found.groups())
                bound.setdefault(who, set()).add(whose)
    assert bound["libtorch_cpu.so"] == {"libtorch_cpu.so"}
    others = {whose for who, found in bound.items() if "torch" not in who for whose in found}
    assert others
    assert not [whose for whose in others if "torch" in whose]
