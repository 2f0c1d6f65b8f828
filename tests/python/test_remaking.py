"""Tables of docs/ and experiments/: protocol, marks, and that pages hold what results/ has."""

import math
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from dacycle import runner


@pytest.fixture(scope="module")
def remaking(repository: Path) -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(repository / "experiments"))
        import remaking
        import remaking.cells
        import remaking.pages
        import remaking.protocol
        import remaking.runs
        import remaking.spec
        import remaking.tuning

        yield remaking
        for name in [name for name in sys.modules if name.partition(".")[0] == "remaking"]:
            del sys.modules[name]


def test_no_choice_sees_a_scoring_seed(remaking: ModuleType) -> None:
    protocol = remaking.protocol
    assert min(protocol.TUNING) >= 1000
    assert tuple(range(11, 19)) == protocol.SCORING
    for table in remaking.spec.tables().values():
        for row in table.rows:
            for cell in filter(None, table.cells(row)):
                scored = set(cell.seeds) <= set(protocol.SCORING)
                assert scored or "why" in table.words, f"{table.name}/{cell.name}"
                assert scored or set(cell.seeds) <= set(protocol.TUNING)


def test_a_truth_is_lost_if_the_error_stays_large(remaking: ModuleType) -> None:
    """Five units of model time on end are 100 cycles of 0.05; not so many in pieces, or a NaN."""
    is_lost = remaking.protocol.is_lost
    rmse = np.full(1000, 0.2)
    assert not is_lost(rmse, 0.05)
    rmse[100:199] = 3.0
    rmse[200:299] = 3.0
    assert not is_lost(rmse, 0.05)
    rmse[199] = 1.01
    assert is_lost(rmse, 0.05)
    assert not is_lost(rmse, 0.05, limit=5.0)
    rmse[-100:] = math.nan
    assert is_lost(rmse, 0.05, limit=5.0)


def test_errors_are_combined_and_lost_seeds_told(remaking: ModuleType) -> None:
    combined, shown = remaking.protocol.combined, remaking.protocol.shown
    assert combined([0.1, 0.3], [0.03, 0.04]) == pytest.approx((0.2, 0.025))
    assert combined([0.1, 0.3], [0.03, 0.04], one_truth=True)[1] == pytest.approx(0.025 * 2**0.5)
    assert shown([0.2, 0.2], [0.01, 0.01], 0) == "0.2000 ± 0.0071"
    assert shown([0.2, 0.2], [0.01, 0.01], 1) == "1 of 3 lost (others 0.2000 ± 0.0071)"
    assert shown([], [], 8) == "8 of 8 lost"


def test_a_run_is_made_once_and_a_lost_one_is_a_score(
    remaking: ModuleType, tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DACYCLE_PROGRAM", str(program))
    runs = remaking.runs
    make = runs.Runner(2, tmp_path)
    groups = {"cycle": {"cycles": 150, "burn_in": 20, "analysis": "etkf"}}
    unstable = {"cycle": {**groups["cycle"], "interval": 0.5}, "lorenz96": {"dt": 0.5}}
    tasks = [runs.task(groups, 11), runs.task(unstable, 11)]
    found, lost = make([*tasks, runs.task(groups, 11)])[:2]
    assert make.made == 2
    assert 0 < found.scores["analysis_rmse"][0] < 5
    assert found.rmse.size == 130
    assert found.seconds > 0
    assert lost.ended
    assert lost.lost(100.0)
    assert runs.Runner(2, tmp_path)(tasks)[0] == found
    with pytest.raises(runner.RunError):
        make([runs.task({"cycle": {"cycles": -1}}, 11)])


@pytest.mark.parametrize("name", ["comparators", "correction", "correlated", "hybrids", "twins"])
def test_settings_are_ones_that_the_program_takes(
    name: str, remaking: ModuleType, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DACYCLE_PROGRAM", str(program))
    table = remaking.spec.tables()[name]
    cell = next(filter(None, table.cells(table.rows[0])))
    if name != "correlated":
        runner.check(remaking.runs.task(cell.groups, 11).groups)
    assert all(remaking.spec.filled(text, cell.groups) for text in table.rows[0].text)


def test_a_setting_is_chosen_that_loses_no_seed(
    remaking: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lowest RMSE of the first look loses a seed in full length: the next one is taken."""
    spec, runs = remaking.spec, remaking.runs
    groups = {"cycle": {"cycles": 10400, "burn_in": 400}}
    row = spec.Row("a", ("a",), groups, {})
    column = spec.Column("RMSE", "analysis_rmse")
    grid = {"inflation.posterior": [1.0, 1.01, 1.02]}
    cell = spec.Cell(row, column, groups, tuple(range(11, 19)), 1.0, "a", grid)

    def made(tasks: list) -> list:
        found = []
        for one in tasks:
            inflation = one.groups["inflation"]["posterior"]
            long = one.groups["cycle"]["cycles"] > 5000
            ended = "lost" if inflation == 1.0 or (long and inflation == 1.01) else ""
            scores = {"analysis_rmse": (inflation - 0.8, 0.01, 1.0)}
            found.append(runs.Run(scores, ended, 0.05, 1.0, "nowhere"))
        return found

    monkeypatch.setattr(runs.Run, "rmse", property(lambda _: np.full(10, 0.2)))
    chosen = remaking.tuning.choose(cell, made)
    assert chosen["setting"] == {"inflation.posterior": 1.02}
    assert [one["lost"] for one in chosen["checked"]["points"]] == [8, 0]
    with pytest.raises(ValueError, match="no setting"):
        remaking.tuning.choose(
            spec.Cell(row, column, groups, cell.seeds, 1.0, "a", {"inflation.posterior": [1.0]}),
            made,
        )


def test_pages_tables_and_results_agree(remaking: ModuleType) -> None:
    never_made = "was never made"
    lines = remaking.pages.mistakes(remaking.spec.tables())
    assert [line for line in lines if never_made not in line] == []


def test_results_stand_near_what_is_made_now(
    remaking: ModuleType, tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs of seconds: the bits of chaotic runs are those of one machine, so within errors."""
    monkeypatch.setenv("DACYCLE_PROGRAM", str(program))
    make = remaking.runs.Runner(2, tmp_path)
    for name, rows in {"twins": ("etkf_20", "enkf_n_24"), "comparators": ("etkf_20",)}.items():
        cells = remaking.pages.results(name).get("cells")
        if cells is None:
            pytest.skip(f"table {name} was never made")
        table = remaking.spec.tables()[name]
        for row in (row for row in table.rows if row.id in rows):
            column = next(i for i, one in enumerate(table.columns) if one.show == "analysis_rmse")
            cell = table.cells(row)[column]
            run = make([remaking.runs.task(cell.groups, cell.seeds[0])])[0]
            mean, error, _ = run.scores["analysis_rmse"]
            told = cells[f"{row.id}/analysis_rmse"]
            allowed = 5 * math.hypot(error, told["standard_error"])
            assert abs(mean - told["mean"]) < allowed, f"{name}/{row.id}: make it again"


def test_published_scores_say_where_they_stand(remaking: ModuleType) -> None:
    for name, one in remaking.cells.published().items():
        assert {"rmse", "method", "source", "checked"} <= one.keys(), name
    used = {
        row.words["published"]
        for table in remaking.spec.tables().values()
        for row in table.rows
        if "published" in row.words
    }
    assert used == remaking.cells.published().keys()
