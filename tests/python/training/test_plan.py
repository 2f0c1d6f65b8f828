"""Configurations of trainings: what is read, and what is refused."""

import tomllib
from pathlib import Path

import pytest

from dacycle.errors import TrainingError
from dacycle.training.list import KINDS
from dacycle.training.list import kind as kind_of
from dacycle.training.plan import defaults, differences, plan_of, read_plan


def test_each_kind_has_its_name() -> None:
    assert [kind_of(name).name for name in KINDS] == list(KINDS)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_with_model_error: Path) -> None:
    """Where the run is that `correction` learns from by default."""
    monkeypatch.chdir(tmp_path)
    Path("run.nc").symlink_to(run_with_model_error)


@pytest.mark.parametrize("kind", KINDS)
def test_what_defaults_prints_can_be_read_and_is_the_defaults(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(defaults(kind))
    assert read_plan(kind, path) == plan_of(kind, {"name": "x"}, "x")


@pytest.mark.parametrize("kind", KINDS)
def test_a_plan_survives_as_tables(kind: str) -> None:
    plan = plan_of(kind, {"name": "x", "training": {"windows": 7}}, "x")
    tables = plan.as_tables()
    assert tables.pop("kind") == kind
    assert plan_of(kind, tables, "x") == plan


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("windows = 3", "windows is not a known entry of `train dan` (known: name, network, "),
        ("[trainning]", "trainning is not a known entry"),
        ("[training]\nwindow = 3", "[training] window is not a known key (known: windows, "),
        ("[training]\nwindows = 0", "[training] windows = 0: must be at least 1"),
        ("[training]\nwindows = 1.5", "[training] windows = 1.5: must be a whole number"),
        ("[training]\nwindows = true", "[training] windows = true: must be a whole number"),
        ("[training]\nlearning_rate = 0", "[training] learning_rate = 0.0: must be above 0"),
        ("[training]\nclip = nan", "[training] clip = nan: must be above 0"),
        ("[training]\ndecay = 1", "[training] decay = 1.0: must be at most 0.9"),
        ("[training]\ndtype = 'half'", 'dtype = "half" is not known (known: float32, float64)'),
        ("training = 3", "[training] must be a table, not 3"),
        ("network = 'memory_cnn'", "[network] must be a table, not 'memory_cnn'"),
        (
            "[network]\narchitecture = 'quadratic_stencil'",
            "[network] architecture = 'quadratic_stencil' is not known here "
            "(known: memory_cnn, residual_cnn)",
        ),
        ("[network]\nkernel = 4", "[network] kernel = 4: must be odd"),
        ("[network]\narchitecture = 'residual_cnn'\nmemory = 3", "memory is not a known key"),
        ("[model]\nn = 3", "[model] n = 3: must be at least 4"),
        ("[observations]\nevery = 41", "every = 41: must be at most [model] n = 40"),
        ("[observations]\nshift = 1", "shift = 1: needs every > 1 that divides [model] n = 40"),
        ("name = 'a/b'", "name = 'a/b': must be fit to name a file"),
        ("name = ", "Invalid value"),
    ],
)
def test_a_mistake_is_told_in_one_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(TrainingError) as caught:
        read_plan("dan", path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"none\.toml: No such file or directory"):
        read_plan("dan", tmp_path / "none.toml")


def test_only_some_settings_may_change_when_a_training_goes_on() -> None:
    plans = [
        plan_of("dan", {"name": "x", **tomllib.loads(text)}, "x").as_tables()
        for text in ("", "[training]\nwindows = 7\nreport = 1", "[training]\nclip = 2\nseed = 3")
    ]
    assert differences(plans[0], plans[1]) == []
    assert differences(plans[0], plans[2]) == [
        "[training] clip was 1.0 and is 2.0",
        "[training] seed was 1 and is 3",
    ]
