"""Each fault of an input file is found before the run begins, and answered by one clear line."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest

CYCLES = 10
N = 8
ROWS = CYCLES * N
SHORT = "&cycle cycles = 10, burn_in = 2 /\n&lorenz96 n = 8 /\n&ensemble members = 5 /\n"
TRUTH = SHORT + "&truth source = 'file', file = 'truth.nc' /\n"
OBSERVATIONS = SHORT + "&observations source = 'file', file = 'observations.nc' /\n"

NEVER_WRITTEN = netCDF4.default_fillvals["f8"]
CLASSIC = ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"]

times = 0.05 * np.arange(CYCLES + 1)
state = 2.0 + np.cos(np.arange(CYCLES + 1)[:, None] / 5 + np.arange(N))
row_times = np.repeat(times[1:], N)
positions = np.tile(np.arange(float(N)), CYCLES)
ones = np.ones(ROWS)
text = np.full(ROWS, b"a")


def changed(values: Any, place: Any, value: Any) -> Any:
    """A copy of an array with one of its values (or some) changed."""
    copy = np.array(values)
    copy[place] = value
    return copy


def masked(values: Any, place: Any, fill_value: float = -99.0) -> Any:
    """A copy of an array with a missing value (or none), and its `_FillValue`."""
    copy = np.ma.array(values, fill_value=fill_value)
    copy[place] = np.ma.masked
    return copy


BROKEN_TRUTH: dict[str, tuple[dict[str, Any], str]] = {
    "no state": ({"state": None}, "no variable state(time, x)"),
    "no time": ({"time": None}, "no variable time(time)"),
    "another size": ({"n": 10, "state": np.ones((11, 10))}, "10 points model 8 set n = 10"),
    "no dimension of time": (
        {"state": state, "dimensions": ("record", "x")},
        "state(record, x) time(time) state(time, x) is needed",
    ),
    "too few records": ({"records": 10}, "10 records, 11 are needed cycles = 9"),
    "another interval": ({"time": 2 * times}, "record 1 time 0.1 0.05 interval in &cycle"),
    "time is missing": ({"time": masked(times, 4)}, "record 4 at time"),
    "NaN": ({"state": changed(state, (5, 3), np.nan)}, "state record 5 not finite"),
    "NaN at the end": ({"state": changed(state, (10, 7), np.nan)}, "state record 10 not finite"),
    "missing value": ({"state": masked(state, (5, 3))}, "state missing record 5"),
    "never written": ({"state": changed(state, (5, 3), NEVER_WRITTEN)}, "state missing record 5"),
    "text": ({"state": np.full(state.shape, b"a")}, "state cannot be read text"),
}

BROKEN_OBSERVATIONS: dict[str, tuple[dict[str, Any], str]] = {
    **{
        f"no {name}": ({name: None}, f"no variable {name} needed: time, position, value,")
        for name in ("time", "position", "value", "error_sd", "kind")
    },
    "unsorted": ({"time": changed(row_times, 11, 0.05)}, "row 11 time 0.05 sorted by time"),
    "off the cycles": ({"time": changed(row_times, -1, 0.52)}, "row 79 time 0.52 interval = 0.05"),
    "before cycle 1": ({"time": row_times - 0.05}, "row 0 time 0.0 interval = 0.05"),
    "time is NaN": ({"time": changed(row_times, 7, np.nan)}, "time row 7 not a number"),
    "after the run": ({"time": row_times + 5}, "no observation in the 10 cycles"),
    "no row": ({"cycles": 0}, "no observation in the 10 cycles"),
    "position N_x": ({"position": changed(positions, 20, 8.0)}, "row 20 position 8.0 circle 8"),
    "position below 0": ({"position": changed(positions, 20, -0.1)}, "row 20 position -0.1 circle"),
    "position is NaN": ({"position": changed(positions, 79, np.nan)}, "row 79 position NaN circle"),
    "position is missing": ({"position": masked(positions, 20)}, "row 20 position circle"),
    "no error": ({"error_sd": changed(ones, 20, 0.0)}, "row 20 error_sd 0.0 above 0"),
    "negative error": ({"error_sd": changed(ones, 79, -1.0)}, "row 79 error_sd -1.0 above 0"),
    "error is NaN": ({"error_sd": changed(ones, 20, np.nan)}, "row 20 error_sd NaN above 0"),
    "unknown kind": ({"kind": changed(ones, 20, 7)}, "row 20 kind 7 known: 1,"),
    "kind 0": ({"kind": changed(ones, 0, 0)}, "row 0 kind 0 5, log; 6, average"),
    "kind between two": ({"kind": changed(ones, 79, 1.5)}, "row 79 kind 1.5 known: 1, value;"),
    "text": ({"value": text}, "value cannot be read text"),
}


def faults(table: dict[str, tuple[dict[str, Any], str]]) -> Any:
    arguments = [(variables, words.split()) for variables, words in table.values()]
    return pytest.mark.parametrize(("variables", "words"), arguments, ids=list(table))


@faults(BROKEN_TRUTH)
def test_truth(
    variables: dict[str, Any],
    words: list[str],
    make_truth: Callable[..., Path],
    refused: Callable[..., str],
) -> None:
    make_truth(**variables)
    assert refused(TRUTH, words).startswith("run.nml: &truth file: truth.nc: ")


@faults(BROKEN_OBSERVATIONS)
def test_observations(
    variables: dict[str, Any],
    words: list[str],
    make_observations: Callable[..., Path],
    refused: Callable[..., str],
) -> None:
    make_observations(**variables)
    line = refused(OBSERVATIONS, words)
    assert line.startswith("run.nml: &observations file: observations.nc: ")


@pytest.mark.parametrize(
    ("setting", "kind", "words"),
    [
        ("power_cap = 9.0", 2, "&observations power_cap not used no observation"),
        ("average_half_width = 1.5", 5, "&observations average_half_width not used"),
        ("average_half_width = 4.5", 6, "average_half_width = 4.5 half grid points, 8"),
    ],
)
def test_settings_of_kinds_must_suit_the_file(
    setting: str,
    kind: int,
    words: str,
    make_observations: Callable[..., Path],
    refused: Callable[..., str],
) -> None:
    make_observations(kind=changed(ones, 33, kind))
    refused(
        OBSERVATIONS.replace("'observations.nc'", f"'observations.nc', {setting}"), words.split()
    )


@faults({"NaN at the end": BROKEN_TRUTH["NaN at the end"], "text": BROKEN_TRUTH["text"]})
def test_one_rank_speaks_for_all_of_the_truth(
    variables: dict[str, Any],
    words: list[str],
    make_truth: Callable[..., Path],
    refused: Callable[..., str],
) -> None:
    make_truth(**variables)
    refused(TRUTH, words, ranks=3)


@faults({name: BROKEN_OBSERVATIONS[name] for name in ("unsorted", "negative error", "no row")})
def test_one_rank_speaks_for_all_of_the_observations(
    variables: dict[str, Any],
    words: list[str],
    make_observations: Callable[..., Path],
    refused: Callable[..., str],
) -> None:
    make_observations(**variables)
    refused(OBSERVATIONS, words, ranks=3)


@pytest.mark.parametrize("content", [None, b"", b"no netCDF\n" * 50], ids=["none", "empty", "text"])
def test_no_netcdf(content: bytes | None, refused: Callable[..., str], tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "truth.nc").write_bytes(content)
    refused(TRUTH, ["run.nml: &truth file: truth.nc:", "cannot be opened as netCDF"])


@faults({"NaN at the end": BROKEN_TRUTH["NaN at the end"]})
def test_check_reads_the_whole_truth(
    variables: dict[str, Any],
    words: list[str],
    make_truth: Callable[..., Path],
    refused: Callable[..., str],
) -> None:
    make_truth(**variables)
    refused(TRUTH, words, options=["--check"])


@faults({"negative error": BROKEN_OBSERVATIONS["negative error"]})
def test_check_reads_all_observations(
    variables: dict[str, Any],
    words: list[str],
    make_observations: Callable[..., Path],
    refused: Callable[..., str],
) -> None:
    make_observations(**variables)
    refused(OBSERVATIONS, words, options=["--check"])


def test_a_directory(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "observations.nc").mkdir()
    refused(OBSERVATIONS, ["&observations file: observations.nc:", "cannot be opened as netCDF"])


def test_a_truth_for_observations(
    make_truth: Callable[..., Path], refused: Callable[..., str]
) -> None:
    make_truth("observations.nc")
    refused(OBSERVATIONS, ["&observations file: observations.nc:", "has no variable position"])


@pytest.mark.parametrize("kept", [0.02, 0.3, 0.97])
@pytest.mark.parametrize("form", ["NETCDF4", *CLASSIC])
def test_cut_short(
    form: str,
    kept: float,
    make_truth: Callable[..., Path],
    make_observations: Callable[..., Path],
    refused: Callable[..., str],
) -> None:
    """The netCDF library reads zeros beyond the end of a classic file, and says nothing."""
    for make, namelist in ((make_truth, TRUTH), (make_observations, OBSERVATIONS)):
        path = make(form=form)
        whole = path.read_bytes()
        path.write_bytes(whole[: int(kept * len(whole))])
        refused(namelist, [f" file: {path.name}: "])


@pytest.mark.parametrize("form", CLASSIC)
def test_records_cut_short(
    form: str, make_truth: Callable[..., Path], refused: Callable[..., str]
) -> None:
    path = make_truth(form=form, unlimited="time")
    refused(TRUTH.replace("cycles = 10", "cycles = 11"), ["11 records, 12 are needed"])
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    refused(TRUTH, [f"is cut short: {len(whole) - 9} bytes are there, of {len(whole)} or more"])


@pytest.mark.parametrize("unlimited", ["", "time"])
@pytest.mark.parametrize("form", ["NETCDF4", *CLASSIC])
def test_check_finds_good_files_right(
    form: str,
    unlimited: str,
    make_truth: Callable[..., Path],
    make_observations: Callable[..., Path],
    da_cycle: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:
    """Among them the fill value that xarray writes: NaN."""
    make_truth(form=form, unlimited=unlimited, state=masked(state, [], np.nan))
    make_observations(form=form, value=masked(ones, [], np.nan))
    (tmp_path / "run.nml").write_text(TRUTH + OBSERVATIONS.removeprefix(SHORT))
    done = da_cycle(["--check", "run.nml"], cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in tmp_path.iterdir()} == {"run.nml", "truth.nc", "observations.nc"}
