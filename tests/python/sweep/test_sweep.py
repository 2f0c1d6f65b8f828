"""Sweeps with the real program: what is run, what is kept, what is run again."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import dacycle
from dacycle.errors import RunError, SweepError
from dacycle.sweep import Plan, as_good, best, sweep
from dacycle.sweep.plan import Range, settings
from dacycle.sweep.result import Result
from dacycle.sweep.store import Row, Store

MakePlan = Callable[..., Plan]

INFLATION = {"inflation.posterior": (1.01, 1.1)}
OUT = Path("out")


def rows() -> list[dict[str, object]]:
    return [json.loads(line) for line in (OUT / "runs.jsonl").read_text().splitlines()[1:]]


def counted(plan: Plan, **options: object) -> tuple[list[Result], int]:
    """The results, and how many runs were made for them."""
    made: list[Row | None] = []
    results = sweep(plan, OUT, progress=made.append, **options)  # type: ignore[arg-type]
    return results, sum(row is not None for row in made)


def test_a_grid_holds_the_scores_of_its_runs(make_plan: MakePlan) -> None:
    plan = make_plan({"ensemble.members": (12, 15), **INFLATION}, seeds=(1, 2))
    results, made = counted(plan, jobs=3)
    assert made == 8
    assert [tuple(result.point.values()) for result in results] == [
        (12, 1.01),
        (12, 1.1),
        (15, 1.01),
        (15, 1.1),
    ]
    for result in results:
        assert sorted(result.values) == [1, 2]
        for seed, value in result.values.items():
            with dacycle.run(settings(plan, result.point, seed), output="again.nc") as run:
                assert value == run["analysis_rmse"].attrs["time_mean"]
    assert {path.name for path in OUT.iterdir()} == {"runs.jsonl"}


def test_a_second_call_runs_what_is_missing(make_plan: MakePlan) -> None:
    first, made = counted(make_plan(INFLATION))
    assert made == 2
    again, made = counted(make_plan(INFLATION))
    assert (again, made) == (first, 0)
    wider = make_plan({"inflation.posterior": (1.01, 1.05, 1.1)}, seeds=(1, 2))
    results, made = counted(wider)
    assert made == 4
    assert [result.values[1] for result in (results[0], results[2])] == [
        result.mean for result in first
    ]
    assert counted(make_plan(INFLATION), fresh=True) == (first, 2)


def test_changed_settings_are_found(make_plan: MakePlan) -> None:
    plan = make_plan(INFLATION)
    counted(plan)
    before = (OUT / "runs.jsonl").read_bytes()
    longer = replace(plan, base={**plan.base, "cycle": {**plan.base["cycle"], "cycles": 70}})
    with pytest.raises(SweepError, match=r"settings\.cycle\.cycles is 60 there, 70 here") as caught:
        counted(longer)
    assert "--fresh" in str(caught.value)
    with pytest.raises(SweepError, match="keys is "):
        counted(make_plan({**INFLATION, "inflation.prior": (1.0,)}))
    assert (OUT / "runs.jsonl").read_bytes() == before
    titled = replace(plan, base={**plan.base, "cycle": {**plan.base["cycle"], "title": "other"}})
    assert counted(titled)[1] == 0
    assert counted(longer, fresh=True)[1] == 2


def test_changed_input_is_found(make_plan: MakePlan) -> None:
    plan = make_plan(INFLATION)
    truth = {"truth": {"source": "file", "file": str(Path("truth.nc").absolute())}}
    plan = replace(plan, base={**plan.base, **truth})
    rng = np.random.default_rng(1)
    for made in (2, 0, 2):
        if made:
            states = rng.normal(2.3, 3.6, (61, 12))
            columns = {"time": 0.05 * np.arange(61), "state": (("time", "x"), states)}
            xr.Dataset(columns).to_netcdf("truth.nc")
        if made and (OUT / "runs.jsonl").exists():
            with pytest.raises(SweepError, match=r"files\..*truth\.nc is "):
                counted(plan)
        assert counted(plan, fresh=bool(made))[1] == made


def test_a_line_cut_short_is_run_again(make_plan: MakePlan) -> None:
    first, _ = counted(make_plan(INFLATION))
    path = OUT / "runs.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    assert counted(make_plan(INFLATION)) == (first, 1)
    assert len(rows()) == 2


def test_a_foreign_file_is_left_alone(make_plan: MakePlan) -> None:
    OUT.mkdir()
    (OUT / "runs.jsonl").write_text("my notes\nand more")
    with pytest.raises(SweepError, match="holds no runs of a sweep"):
        counted(make_plan(INFLATION))
    assert (OUT / "runs.jsonl").read_text() == "my notes\nand more"


def test_two_sweeps_do_not_share_a_folder(make_plan: MakePlan) -> None:
    counted(make_plan(INFLATION))
    header = json.loads((OUT / "runs.jsonl").read_text().splitlines()[0])
    with (
        Store(OUT / "runs.jsonl", header),
        pytest.raises(SweepError, match="another sweep is at work there"),
    ):
        counted(make_plan(INFLATION))


def test_a_diverged_run_ends_no_sweep(make_plan: MakePlan) -> None:
    """A time step beyond the scheme's stability: the program ends with status 1."""
    plan = make_plan({"lorenz96.dt": (0.05, 0.5)}, seeds=(1, 2))
    plan = replace(plan, base={**plan.base, "cycle": {**plan.base["cycle"], "interval": 0.5}})
    results, made = counted(plan)
    assert made == 4
    assert [(result.diverged, result.failed) for result in results] == [(0, 0), (2, 0)]
    assert math.isinf(results[1].mean)
    assert best(results) is results[0]
    assert {row["outcome"] for row in rows()} == {"done", "diverged"}
    assert any("not finite" in str(row["message"]) for row in rows())
    assert counted(plan)[1] == 0


def test_an_error_beyond_the_limit_counts_as_diverged(make_plan: MakePlan) -> None:
    results, _ = counted(make_plan(INFLATION))
    limit = sum(result.mean for result in results) / 2
    limited, made = counted(make_plan(INFLATION, diverged_above=limit))
    assert made == 0
    assert sorted(result.diverged for result in limited) == [0, 1]
    assert best(limited) == best(results)


@pytest.mark.parametrize(
    "end",
    [
        "kill -SEGV $$",
        "echo '*** An error occurred in MPI_Init' >&2; exit 1",
        """echo "da_cycle: error: $(dirname "$4")/1.nc.part: no space left" >&2; exit 1""",
    ],
    ids=["crash", "no MPI", "full disk"],
)
def test_a_failed_run_is_tried_again(
    make_plan: MakePlan, here: Path, monkeypatch: pytest.MonkeyPatch, program: Path, end: str
) -> None:
    """What the machine did is not held against the filter."""
    failing = here / "failing"
    other = f"exec '{program}' \"$@\""
    failing.write_text(f'#!/bin/sh\ncase "$1" in --fresh) {end};; *) {other};; esac\n')
    failing.chmod(0o755)
    monkeypatch.setenv("DACYCLE_PROGRAM", str(failing))
    results, made = counted(make_plan(INFLATION))
    assert [(result.failed, result.diverged) for result in results] == [(1, 0), (1, 0)]
    assert best(results) is None
    assert (made, len(rows())) == (2, 4)
    monkeypatch.setenv("DACYCLE_PROGRAM", str(program))
    results, made = counted(make_plan(INFLATION))
    assert made == 2
    assert [result.failed for result in results] == [0, 0]


@pytest.mark.parametrize("keys", [{"inflation.postrior": (1.0,)}, {"inflation.prior": (1.0, -1.0)}])
def test_wrong_settings_are_refused_before_the_first_run(
    make_plan: MakePlan, keys: dict[str, tuple[float, ...]]
) -> None:
    (name,) = keys
    with pytest.raises(RunError, match=name.partition(".")[2]) as caught:
        counted(make_plan(keys))
    assert caught.value.status == 2
    assert not OUT.exists()


def test_an_objective_without_a_value_is_told(make_plan: MakePlan) -> None:
    with pytest.raises(SweepError, match=r"'no_rmse' has no value .*analysis_rmse"):
        counted(make_plan(INFLATION, objective="no_rmse"))


def test_as_good_means_within_the_errors() -> None:
    def result(name: int, *values: float) -> Result:
        return Result({"a.b": name}, dict(enumerate(values)), 0, 0)

    close = [result(0, 0.20, 0.21), result(1, 0.209, 0.211), result(2, 0.30, 0.31)]
    lost = result(3, math.inf, 0.2)
    wild = result(4, 0.21, 0.9)
    assert best([*close, lost, wild]) is close[0]
    assert as_good([*close, lost, wild]) == [close[1]]
    assert as_good([lost]) == []


SWEEP = """
seeds = [1, 2, 3]
[base]
cycle = {analysis = "etkf", cycles = 4000}
lorenz96.n = 12
ensemble.initial = "truth"
[keys]
inflation.posterior = [1.01, 1.02, 1.03, 1.04]
"""


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_sweep_goes_on(kill: signal.Signals) -> None:
    Path("killed.toml").write_text(SWEEP)
    code = "import sys; from dacycle.cli import main; sys.exit(main(sys.argv[1:]))"
    line = [sys.executable, "-c", code, "sweep", "killed.toml", "-o", str(OUT), "-j", "2"]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        until = time.monotonic() + 60
        while not (OUT / "runs.jsonl").exists() or not rows():
            assert time.monotonic() < until
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, kill)
        process.communicate(timeout=60)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}.get(kill, -kill)
    if kill != signal.SIGKILL:
        assert not (OUT / "work").exists()
    done = len(rows())
    assert 0 < done < 12
    again = subprocess.run(line, capture_output=True, text=True, check=True)
    assert f"12 of 12 runs: {done} there already" in again.stderr
    assert len(rows()) == 12
    assert {"map.txt", "map.csv", "map.png", "runs.jsonl"} == {p.name for p in OUT.iterdir()}
    assert "best analysis_rmse" in again.stdout


def test_optuna_asks_the_same_again(make_plan: MakePlan) -> None:
    pytest.importorskip("optuna")
    keys = {"inflation.posterior": Range(1.0, 1.3), "ensemble.members": Range(8, 20, whole=True)}
    plan = make_plan(keys, search="optuna", trials=10, batch=4)
    first, made = counted(plan, jobs=1)
    assert made == len(first) == 10
    assert all(type(result.point["ensemble.members"]) is int for result in first)
    path = OUT / "runs.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:6]))
    again, made = counted(plan, jobs=3)
    assert (again, made) == (first, 5)
    further, made = counted(replace(plan, trials=12))
    assert further[:8] == first[:8]
    assert len(further) == 12


def test_optuna_lives_with_divergence(make_plan: MakePlan) -> None:
    pytest.importorskip("optuna")
    plan = make_plan({"lorenz96.dt": (0.05, 0.5), **INFLATION}, search="optuna", trials=12)
    plan = replace(plan, base={**plan.base, "cycle": {**plan.base["cycle"], "interval": 0.5}})
    results, _ = counted(plan)
    found = best(results)
    assert found is not None
    assert found.point["lorenz96.dt"] == 0.05
    assert any(result.diverged for result in results)


def test_optuna_finds_the_valley() -> None:
    """A search is worth its name if it ends nearer to the best than it began."""
    pytest.importorskip("optuna")
    from dacycle.sweep.search import search_for

    plan = Plan(base={}, keys={"a.b": Range(0.0, 10.0)}, search="optuna", trials=60, batch=3)
    search = search_for(plan)
    points = next(search)
    tried: list[float] = []
    try:
        while True:
            values = [point["a.b"] for point in points]
            tried += values
            points = search.send([(value - 7.3) ** 2 for value in values])
    except StopIteration:
        pass
    assert len(tried) == 60
    assert min(abs(value - 7.3) for value in tried) < 0.1
    last = sum(abs(value - 7.3) for value in tried[-20:])
    assert last < sum(abs(value - 7.3) for value in tried[:20])


def test_without_optuna_it_says_what_to_install(
    make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(SweepError, match=r"pip install 'dacycle\[sweep\]'"):
        counted(make_plan(INFLATION, search="optuna"))
