"""Places inside libraries where a kill may leave something behind that would hold up later runs."""

import ctypes
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Groups = dict[str, dict[str, Any]]

LOCKED = 0


@pytest.fixture
def locked_semaphore() -> Iterator[Callable[[str], None]]:
    """`locked_semaphore(name)`: as Open MPI's own I/O holds one while it opens a file `name`.

    Named semaphores outlive their process; this one is removed after the test.
    """
    library = ctypes.CDLL(None, use_errno=True)
    library.sem_open.restype = ctypes.c_void_p
    made: list[bytes] = []

    def make(name: str) -> None:
        made.append(f"/OMPIO_{name}".encode())
        create = 0o100
        assert library.sem_open(made[-1], create, 0o644, LOCKED)

    yield make
    for path in made:
        library.sem_unlink(path)


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_semaphore_of_a_killed_run_holds_up_no_other(
    ranks: int, locked_semaphore: Callable[[str], None], run: Callable[..., Path], tmp_path: Path
) -> None:
    """With Open MPI's own I/O, every later run with an output of that name would wait for ever."""
    name = f"{uuid.uuid4()}.nc"
    groups: Groups = {
        "cycle": {"cycles": 20, "burn_in": 5},
        "output": {"file": name},
        "checkpoint": {"every": 5},
    }
    locked_semaphore(f"{name}.part")
    locked_semaphore(f"{name}.checkpoint.part")
    run(groups, tmp_path, ranks)
    assert {path.name for path in tmp_path.iterdir()} == {"run.nml", name}
