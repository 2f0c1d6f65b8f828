"""Files of a run: none is lost, whatever its name, and one run writes it at a time."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import netCDF4
import pytest

from dacycle.program import environment

SHORT = "&cycle cycles = 6, burn_in = 2 /\n&lorenz96 n = 8 /\n&ensemble members = 5 /\n"
ENDLESS = "&cycle cycles = 9000000, burn_in = 2 /\n&ensemble members = 5 /\n"
VAR3D = (
    "&cycle analysis = 'var3d', cycles = 6 /\n&ensemble members = 1 /\n&variational window = 0 /\n"
)
PATIENCE = 60.0

Run = Callable[..., Path]
Refused = Callable[..., str]
DaCycle = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        # One file under two names.
        ("&checkpoint file = './run.nc.part' /", ["&checkpoint file", "&output file", "part"]),
        ("&checkpoint file = './run.nc' /", ["&checkpoint file = './run.nc'", "&output file"]),
        ("&checkpoint file = 'link/run.nc' /", ["&checkpoint", "written", "&output"]),
        ("&output file = 'a' /\n&checkpoint file = 'a.lock' /", ["&checkpoint", "&output"]),
        ("&output file = 'hard.nml' /", ["&output file = 'hard.nml'", "read", "namelist"]),
        # A file that is read.
        ("&networks model = 'net' /\n&output file = 'link/net' /", ["&networks model", "&output"]),
        ("&networks model = 'n.part' /\n&output file = 'n' /", ["&networks model", "n.part"]),
        ("&networks linear_model = 'net' /\n&checkpoint file = 'net' /", ["linear_model"]),
        (
            "&truth source = 'file', file = 't.nc.part' /\n&output file = 't.nc' /",
            ["&truth file = 't.nc.part'", "&output file = 't.nc'", "overwritten"],
        ),
        # No regular file.
        ("&output file = '/dev/null' /", ["&output file = '/dev/null'", "device"]),
        ("&output file = 'pipe' /", ["&output file = 'pipe'", "pipe; name a file"]),
        ("&output file = 'dangling' /", ["&output", "symbolic link"]),
        ("&output file = 'foreign' /", ["&output", "symbolic link"]),
        ("&checkpoint file = 'dangling' /", ["&checkpoint", "symbolic link"]),
        ("&output file = 'd' /", ["&output file = 'd', written as d.part", "no regular file"]),
        ("&checkpoint file = 'd' /", ["&checkpoint file = 'd'", "d.part", "no regular file"]),
        # What others wrote.
        ("&checkpoint file = 'net' /", ["&checkpoint file = 'net'", "no checkpoint of da_cycle"]),
        ("&checkpoint file = 'other.nc' /", ["&checkpoint", "no checkpoint of da_cycle"]),
        ("&output file = 'p' /", ["&output file = 'p', written as p.part", "not written by"]),
        ("&checkpoint file = 'p' /", ["&checkpoint file = 'p'", "p.part", "not written by"]),
        # Names that are too long only with what is put behind them.
        (f"&output file = '{'n' * 248}.nc' /", ["&output", "256 bytes", "255 are the most"]),
        (f"&checkpoint file = '{'n' * 250}' /", ["&checkpoint", "255 are the most"]),
        (f"&output file = '{'./' * 2020}n' /", ["&output", "4031 are the most"]),
    ],
    ids=lambda value: value[:60] if isinstance(value, str) else "",
)
def test_refused_before_anything_is_touched(
    text: str, words: list[str], refused: Refused, tmp_path: Path
) -> None:
    (tmp_path / "run.nml").write_text("")
    os.link(tmp_path / "run.nml", tmp_path / "hard.nml")
    (tmp_path / "link").symlink_to(".")
    (tmp_path / "dangling").symlink_to("nothing")
    (tmp_path / "foreign").symlink_to("net")
    (tmp_path / "d.part").mkdir()
    for name in ("net", "n.part", "p.part", "t.nc.part"):
        (tmp_path / name).write_bytes(b"dear to its owner")
    with netCDF4.Dataset(tmp_path / "other.nc", "w", format="NETCDF3_64BIT_DATA") as file:
        file.setncatts({"source": "another program", "namelist": "&cycle / &ensemble /"})
    os.mkfifo(tmp_path / "pipe")
    base = VAR3D if "linear_model" in text else SHORT
    refused(base + text, [*words, "run.nml: &"], options=["--check"])
    if "checkpoint of da_cycle" in words[-1] or "overwritten" in words:
        refused(base + text, words, options=["--fresh"])


def test_the_study_is_a_file_of_the_run(refused: Refused, tmp_path: Path) -> None:
    study = "&study points = 3, every = 2, file = '{}' /"
    (tmp_path / "own.part").write_bytes(b"dear to its owner")
    text = "&cycle cycles = 6, burn_in = 2 /\n&ensemble members = 5 /\n"
    for name, words in {
        "./run.nc.part": ["&study file = './run.nc.part'", "&output file = 'run.nc'"],
        "run.nc.checkpoint": ["&study file", "&checkpoint file = 'run.nc.checkpoint'"],
        "own": ["&study file = 'own', written as own.part", "not written by da_cycle"],
        "/dev/null": ["&study file = '/dev/null'", "device"],
    }.items():
        refused(text + study.format(name), words, options=["--check"])


@pytest.mark.parametrize("name", ["run_12:00.nc", "ufs:x.nc", "2026-01-01T00:00/run.nc"])
@pytest.mark.parametrize("absolute", [False, True], ids=["relative", "absolute"])
def test_a_colon_in_a_path(name: str, absolute: bool, da_cycle: DaCycle, tmp_path: Path) -> None:
    output = tmp_path / name
    output.parent.mkdir(exist_ok=True)
    given = output if absolute else name
    (tmp_path / "run.nml").write_text(
        "&cycle cycles = 6, burn_in = 2 /\n&ensemble members = 5 /\n"
        f"&output file = '{given}' /\n&checkpoint every = 2 /\n"
        f"&study points = 3, every = 2, file = '{given}.study' /\n"
    )
    done = da_cycle(["run.nml"], 2 if absolute else 1, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in output.parent.iterdir()} - {"run.nml"} == {
        output.name,
        f"{output.name}.study",
    }
    with netCDF4.Dataset(output) as file:
        assert file.dimensions["time"].size == 6


def test_a_name_as_long_as_can_be(run: Run, da_cycle: DaCycle, tmp_path: Path) -> None:
    """The longest that is not refused is one that can be written."""
    name = "n" * (255 - len(".checkpoint.lock.stale"))
    (tmp_path / "run.nml").write_text(SHORT + f"&output file = '{name}' /\n&checkpoint every = 2 /")
    done = da_cycle(["run.nml"], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / name).is_file()


@pytest.mark.parametrize(
    ("namelist", "output"),
    [("mine.nml", "mine.nc"), ("mine.v2", "mine.v2.nc"), ("/dev/stdin", "run.nc")],
)
def test_the_output_is_named_after_the_namelist(
    namelist: str, output: str, program: Path, tmp_path: Path
) -> None:
    """In the current folder, wherever the namelist lies."""
    (tmp_path / "settings").mkdir()
    if not namelist.startswith("/"):
        namelist = f"settings/{namelist}"
        (tmp_path / namelist).write_text(SHORT + "&output file = '' /\n")
    done = subprocess.run(
        [program, "--progress", "none", namelist],
        cwd=tmp_path,
        env=environment(os.environ),
        input=SHORT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.glob("*.nc*")] == [output]


class Job:
    """A run under way."""

    def __init__(self, program: Path, folder: Path, text: str, name: str = "first.nml") -> None:
        (folder / name).write_text(text)
        self.process = subprocess.Popen(
            [program, "--fresh", "--progress", "none", name],
            cwd=folder,
            env=environment(os.environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for(self, path: Path) -> None:
        end = time.monotonic() + PATIENCE
        while not (path.exists() and path.stat().st_size > 0):
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < end
            time.sleep(0.01)

    def stop(self, number: int) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=PATIENCE)
        return self.process.returncode


@pytest.fixture
def first(program: Path, tmp_path: Path) -> Iterator[Job]:
    """A run that writes same.nc and same.study, and keeps its checkpoint elsewhere."""
    job = Job(
        program,
        tmp_path,
        ENDLESS
        + "&study points = 3, cycles = 2, file = 'same.study' /\n"
        + "&output file = 'same.nc', fields_every = 0, feedback = .false. /\n"
        + "&checkpoint file = 'kept', every = 0 /\n",
    )
    job.wait_for(tmp_path / "same.study.part")
    yield job
    if job.process.poll() is None:
        job.stop(signal.SIGKILL)


def test_two_runs_on_one_file(
    first: Job, da_cycle: DaCycle, refused: Refused, tmp_path: Path
) -> None:
    """The second is refused; the first one is not disturbed, and leaves no lock behind."""
    owner = f"process {first.process.pid} on host {socket.gethostname()} since 20"
    (tmp_path / "link").symlink_to(".")
    for second in (
        "&output file = './link/same.nc' /",
        "&checkpoint file = 'same.nc' /",
        "&output file = 'kept' /",
        "&study points = 3, every = 2, file = 'same.study' /",
    ):
        (tmp_path / "run.nml").write_text(
            "&cycle cycles = 6, burn_in = 2 /\n&ensemble members = 5 /\n" + second
        )
        for options in ([], ["--fresh"], ["--restart"])[: 3 if "link" in second else 1]:
            done = da_cycle([*options, "run.nml"], cwd=tmp_path)
            assert done.returncode == 2, done.stdout + done.stderr
            assert owner in done.stderr, done.stderr
            assert done.stderr.count("\n") == 1
    assert not list(tmp_path.glob("run.*[!l]"))
    assert first.stop(signal.SIGTERM) == 143
    left = {path.name for path in tmp_path.iterdir()} - {"run.nml", "first.nml", "link"}
    assert left == {"same.nc.part", "same.study.part", "kept"}


def test_the_lock_of_a_killed_run_is_taken_over(
    first: Job, da_cycle: DaCycle, tmp_path: Path
) -> None:
    assert first.stop(signal.SIGKILL) == -signal.SIGKILL
    locks = {"same.nc.lock", "same.study.lock", "kept.lock"}
    assert locks <= {path.name for path in tmp_path.iterdir()}
    text = (tmp_path / "first.nml").read_text().replace("9000000", "6")
    (tmp_path / "first.nml").write_text(text)
    # So it is where the number of the process is used again, by this one.
    lock = tmp_path / "same.nc.lock"
    lock.write_text(
        lock.read_text().replace(f"process {first.process.pid}", f"process {os.getpid()}")
    )
    done = da_cycle(["first.nml"], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"first.nml", "same.nc", "same.study"}


def test_the_lock_of_another_host(first: Job, da_cycle: DaCycle, tmp_path: Path) -> None:
    """Nothing tells whether it is stale, but for a job of Slurm's that was started again."""
    first.stop(signal.SIGKILL)
    for lock in tmp_path.glob("*.lock"):
        lines = [line.partition(" ") for line in lock.read_text().splitlines()]
        far = {"host": "far_node", "boot": "1-2-3", "job": "cluster:7", "restarts": "1"}
        lock.write_text("".join(f"{key} {far.get(key, value)}\n" for key, _, value in lines))
    text = (tmp_path / "first.nml").read_text().replace("9000000", "6")
    (tmp_path / "first.nml").write_text(text)
    done = da_cycle(["first.nml"], cwd=tmp_path)
    assert done.returncode == 2
    for words in (f"process {first.process.pid} on host far_node", "rm -f 'same.nc.lock'"):
        assert words in done.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CLUSTER_NAME", "cluster")
        patch.setenv("SLURM_JOB_ID", "7")
        patch.setenv("SLURM_RESTART_COUNT", "1")
        assert da_cycle(["first.nml"], cwd=tmp_path).returncode == 2
        patch.setenv("SLURM_RESTART_COUNT", "2")
        done = da_cycle(["first.nml"], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.glob("*.lock*"))


def test_a_file_in_the_place_of_a_lock(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "run.nc.lock").write_text("dear to its owner\n")
    refused(SHORT, ["run.nc.lock", "no lock of da_cycle", "rm -f 'run.nc.lock'"])


def test_an_error_leaves_no_lock(error_of: Callable[..., str], tmp_path: Path) -> None:
    """Found before the first cycle, and in it."""
    (tmp_path / "run.nml").write_text(SHORT + "&truth source = 'file', file = 'none.nc' /\n")
    assert "none.nc" in error_of(["run.nml"])
    (tmp_path / "run.nml").write_text(
        "&cycle cycles = 6, burn_in = 2, interval = 0.9 /\n&lorenz96 dt = 0.9 /\n"
    )
    assert "not finite" in error_of(["run.nml"], 2, status=1)


@pytest.mark.parametrize(
    ("variables", "refused_with"),
    [
        ({"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "0"}, "srun started 4 tasks"),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "2"}, "srun started 4 tasks"),
        # In a batch script, and in a step of one task, one copy is what was asked for.
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, ""),
        ({"SLURM_NTASKS": "4", "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}, ""),
    ],
)
def test_srun_without_pmi(
    variables: dict[str, str],
    refused_with: str,
    program: Path,
    tmp_path: Path,
) -> None:
    """Several copies of one rank would all be rank 0."""
    (tmp_path / "run.nml").write_text(SHORT)
    done = subprocess.run(
        [program, "--check", "run.nml"],
        cwd=tmp_path,
        env={**environment(os.environ), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == (2 if refused_with else 0), done.stderr
    assert refused_with in done.stderr


def test_mpirun_inside_of_a_slurm_step(
    da_cycle: DaCycle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its daemons are srun's tasks, and ranks have their variables."""
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")
    monkeypatch.setenv("SLURM_PROCID", "1")
    (tmp_path / "run.nml").write_text(SHORT)
    done = da_cycle(["--check", "run.nml"], 2, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
