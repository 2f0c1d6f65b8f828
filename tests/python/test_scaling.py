"""The model of docs/scaling.md sends what the program sends."""

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from dacycle import namelist as nml
from dacycle import runner


@pytest.fixture(scope="module")
def load(repository: Path) -> object:
    """`load(name)`: a script of benchmarks/ as a module."""
    folder = repository / "benchmarks"

    def module(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        loaded = importlib.util.module_from_spec(spec)
        sys.modules[name] = loaded
        spec.loader.exec_module(loaded)
        return loaded

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield module


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
@pytest.mark.parametrize("steps", [1, 3])
def test_the_model_counts_what_a_run_sends(
    load: object, steps: int, tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DACYCLE_PROGRAM", str(program))
    model, calls = load("scaling_constants"), load("mpi_calls")  # type: ignore[operator]
    members = 10
    text = load("scaling").NAMELIST.format(points=200, members=members, cycles=1)  # type: ignore[operator]
    groups = nml.merge(nml.parse(text), {"cycle": {"interval": 0.05 * steps}})
    found = calls.calls_a_cycle(groups, 3, tmp_path)
    assert sorted(found) == [0, 1, 2]
    for numbers in found.values():
        assert numbers["waitall"] == model.exchanges(steps)
        assert numbers["isend"] == numbers["irecv"] == 2 * model.exchanges(steps) - 2
        assert numbers["bytes"] == model.halo_bytes(members, steps)
        assert numbers["allreduce"] + numbers["exscan"] == model.REDUCTIONS
        assert numbers["bcast"] == numbers["alltoall"] == numbers["alltoallv"] == 0


@pytest.mark.parametrize("scheme", ["letkf", "var4d", "ienks"])
def test_every_scheme_is_one_that_the_program_takes(
    load: object, scheme: str, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DACYCLE_PROGRAM", str(program))
    text = load("scaling").namelist_of(scheme, 200, 1 if scheme == "var4d" else 20, 6)  # type: ignore[operator]
    groups = nml.parse(text)
    assert groups["cycle"]["analysis"] == scheme
    runner.check(groups)


def test_the_model_grows_with_the_logarithm_of_the_ranks(load: object) -> None:
    model = load("scaling_constants")  # type: ignore[operator]
    network = model.Network(exchange=3.0, bandwidth=10.0, reduction=2.0)
    times = [model.communication_ms(network, ranks, 20) for ranks in (1, 2, 4, 1024)]
    assert times[0] == 0
    assert times[2] - times[1] == pytest.approx(1e-3 * model.REDUCTIONS * 2.0)
    assert times[3] - times[1] == pytest.approx(9 * 1e-3 * model.REDUCTIONS * 2.0)
