"""The file that describes a sweep, and the mistakes it may hold."""

from pathlib import Path

import pytest

from dacycle.errors import NamelistError, SweepError
from dacycle.sweep.plan import Range, grid, read_plan, settings

KEYS = "[keys]\ninflation.posterior = [1.0, 1.02]\n"


def write(text: str) -> Path:
    path = Path("sweep.toml")
    path.write_text(text)
    return path


def test_a_plan_is_read_and_spans_a_grid() -> None:
    Path("base.nml").write_text("&Cycle cycles = 80 /\n&truth source='file', file='@/t.nc' /\n")
    plan = read_plan(
        write(
            "namelist = 'base.nml'\nseeds = [3, 4]\n[base]\nCycle.analysis = 'etkf'\n[keys]\n"
            "inflation.posterior = {low = 1.0, high = 1.06, step = 0.02}\n"
            "ensemble.members = {low = 10, high = 20, step = 10}\netkf.rotation = [true, false]\n"
        )
    )
    assert plan.base["cycle"] == {"cycles": 80, "analysis": "etkf"}
    assert plan.base["truth"]["file"] == str(Path("t.nc").absolute())
    points = grid(plan)
    assert len(points) == 4 * 2 * 2
    assert points[0] == {
        "inflation.posterior": 1.0,
        "ensemble.members": 10,
        "etkf.rotation": True,
    }
    assert [p["inflation.posterior"] for p in points[::4]] == [1.0, 1.02, 1.04, 1.06]
    assert type(points[0]["ensemble.members"]) is int
    run = settings(plan, points[1], 4)
    assert run["cycle"] == {"cycles": 80, "analysis": "etkf", "seed": 4}
    assert run["etkf"] == {"rotation": False}
    assert run["output"]["fields_every"] == 0


def test_optuna_takes_open_ranges() -> None:
    plan = read_plan(
        write("search = 'optuna'\ntrials = 7\n[keys]\ncycle.a = {low=1e-3, high=1.0, log=true}\n")
    )
    assert (plan.trials, plan.keys["cycle.a"]) == (7, Range(1e-3, 1.0, log=True))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[keys", r"sweep\.toml: "),
        ("", r"\[keys\] names no namelist key"),
        (f"seds = [1]\n{KEYS}", r"seds is not a known entry \(known: namelist, base"),
        (f"search = 'random'\n{KEYS}", r"'random' is not known \(known: grid, optuna\)"),
        (f"trials = 5\n{KEYS}", r"trials is of no use with search = 'grid'"),
        (f"search = 'optuna'\ntrials = 0\n{KEYS}", r"trials = 0: must be at least 1"),
        (f"search = 'optuna'\ntrials = true\n{KEYS}", r"trials = True: must be a whole number"),
        (f"seeds = []\n{KEYS}", r"seeds = \[\]: must be a list of whole numbers"),
        (f"seeds = 3\n{KEYS}", r"seeds = 3: must be a list"),
        (f"seeds = [1, 1]\n{KEYS}", r"a seed stands there more than once"),
        (f"objective = 'innovation_chi2'\n{KEYS}", r"must be a score whose name ends in _rmse"),
        (f"diverged_above = -1\n{KEYS}", r"diverged_above = -1: must be a positive number"),
        (f"diverged_above = nan\n{KEYS}", r"diverged_above = nan: must be a positive number"),
        (f"base = 3\n{KEYS}", r"base = 3: must be a table"),
        (f"base.cycle = 3\n{KEYS}", r"base\.cycle: must be a table of keys"),
        ("keys.inflation = [1.0]", r"keys\.inflation: give group and key"),
        ("keys.inflation.prior = []", r"keys\.inflation\.prior: the list is empty"),
        ("keys.inflation.prior = 1.0", r"must be a list of values or \{low"),
        ("keys.inflation.prior = [1.0, 1.0]", r"1\.0 stands in the list more than once"),
        ("keys.inflation.prior = [nan]", r"nan is not finite"),
        ("keys.inflation.prior = [[1.0]]", r"\[1\.0\] is no logical, number or string"),
        ("[keys]\na.b = [1]\nA.b = [2]", r"keys\.a\.b stands there more than once"),
        ("keys.cycle.seed = [1]", r"give the seeds as seeds"),
        ("keys.output.file = ['a', 'b']", r"the sweep looks after output and checkpoints"),
        ("keys.a.b = {low = 1.0}", r"a range has low, high and step or log, not \['low'\]"),
        ("keys.a.b = {low = 1.0, high = 2.0}", r"a grid needs a step"),
        ("keys.a.b = {low = 2.0, high = 1.0, step = 0.1}", r"low = 2\.0 must be less than high"),
        ("keys.a.b = {low = 1.0, high = 2.0, step = 0.0}", r"step = 0\.0 must be positive"),
        ("keys.a.b = {low = 'a', high = 2.0, step = 0.1}", r"low = 'a' is no number"),
        (
            "search = 'optuna'\nkeys.a.b = {low = 0.0, high = 1.0, log = true}",
            r"low = 0\.0 must be",
        ),
    ],
)
def test_a_mistake_is_told_in_one_line(text: str, message: str) -> None:
    with pytest.raises(SweepError, match=message) as caught:
        read_plan(write(text))
    assert str(caught.value).startswith("sweep.toml: ")
    assert "\n" not in str(caught.value)


def test_missing_files_are_told() -> None:
    with pytest.raises(SweepError, match=r"none\.toml: No such file"):
        read_plan("none.toml")
    Path("bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SweepError, match="not a text file"):
        read_plan("bytes.toml")
    with pytest.raises(NamelistError, match=r"none\.nml: No such file"):
        read_plan(write(f"namelist = 'none.nml'\n{KEYS}"))
