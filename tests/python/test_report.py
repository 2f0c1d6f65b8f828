"""Tables of scores."""

from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from dacycle.errors import RunFileError
from dacycle.report import Published, read_published, score_table
from dacycle.run_file import open_run
from dacycle.verification.scores import read_scores, with_error

MakeRun = Callable[..., Path]


def shown(table: Table) -> str:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_runs_stand_side_by_side(make_run: MakeRun) -> None:
    with open_run(make_run("a.nc")) as a, open_run(make_run("b.nc", truth=False)) as b:
        text = shown(score_table({"a.nc": a, "b.nc": b}))
        rmse = read_scores(a)[0]
    (line,) = [
        line for line in text.splitlines() if "analysis RMSE" in line and "published" not in line
    ]
    cells = [cell.strip() for cell in line.strip("│").split("│")]
    assert cells == ["analysis RMSE", with_error(rmse.mean, rmse.standard_error), "-"]
    assert "published" not in text


def test_the_published_score_stands_beside_ours(make_run: MakeRun) -> None:
    published = {"sakov2008": Published(0.199, "LETKF N=10", "DAPPER 1.8.1")}
    with (
        open_run(make_run("a.nc")) as a,
        open_run(make_run("b.nc", attributes={"title": "another"})) as b,
    ):
        text = shown(score_table({"a.nc": a, "b.nc": b}, published))
        other = shown(score_table({"b.nc": b}, published))
    (line,) = [line for line in text.splitlines() if "published" in line]
    assert [cell.strip() for cell in line.strip("│").split("│")][1:] == ["0.199", "-"]
    assert "DAPPER 1.8.1" in text
    assert "published" not in other


def test_published_scores_are_read(tmp_path: Path) -> None:
    path = tmp_path / "published.toml"
    path.write_text('[sakov2008]\nrmse = 0.199\nmethod = "LETKF N=10"\nsource = "DAPPER 1.8.1"\n')
    assert read_published(path) == {"sakov2008": Published(0.199, "LETKF N=10", "DAPPER 1.8.1")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[sakov2008]\nrmse = 0.199\n", r"\[sakov2008\] needs rmse, method and source"),
        ("sakov2008 = 0.199\n", r"\[sakov2008\] needs rmse, method and source"),
        ("[sakov2008", "published.toml: "),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "published.toml"
    path.write_text(text)
    with pytest.raises(RunFileError, match=message):
        read_published(path)
    with pytest.raises(RunFileError, match="No such file"):
        read_published(tmp_path / "none.toml")
