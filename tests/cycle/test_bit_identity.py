"""The same namelist gives the same output file, byte for byte, on any number of ranks."""

import filecmp
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest

from dacycle import namelist as nml

Groups = dict[str, dict[str, Any]]
Run = Callable[..., Path]

CYCLES = 1200
"""60 time units: a difference in the last bit would have grown e^100-fold."""

COMMON: Groups = {"cycle": {"cycles": CYCLES, "burn_in": 100, "seed": 7}}
LETKF: Groups = {"cycle": {"analysis": "letkf"}, "ensemble": {"members": 10}}
VERIFICATION: Groups = {
    "verification": {
        "crps": True,
        "rank_histogram": True,
        "thresholds": [-1.0, 2.0, 6.0],
        "points_every": 3,
        "regions": [0, 6, 11, 3],
        "lead_times": [0.05, 0.5, 2.0],
        "forecasts_every": 100,
        "forecast": "ensemble",
    }
}


def case(*parts: Groups) -> Groups:
    merged = COMMON
    for part in parts:
        merged = nml.merge(merged, part)
    return merged


CASES: dict[str, Groups] = {
    "letkf": case(LETKF),
    "etkf": case({"cycle": {"analysis": "etkf"}, "ensemble": {"members": 24}}),
    "stochastic_enkf": case(
        {"cycle": {"analysis": "stochastic_enkf"}, "ensemble": {"members": 24}}
    ),
    "enkf_n": case({"cycle": {"analysis": "enkf_n"}, "ensemble": {"members": 24}}),
    "denkf": case({"cycle": {"analysis": "denkf"}, "ensemble": {"members": 24}}),
    "climatology": case({"cycle": {"analysis": "climatology"}, "ensemble": {"members": 10}}),
    "none": case({"cycle": {"analysis": "none"}, "ensemble": {"members": 10}}),
    "between points": case(LETKF, {"observations": {"stride": 1.7, "offset": 0.3}}),
    "a list of positions": case(
        LETKF,
        {"observations": {"positions": [*np.arange(39.5, 0.0, -1.75), 3.25, 3.25, 9.1, 0.0]}},
    ),
    "wider than the circle": case(LETKF, {"localisation": {"radius": 30.0, "taper": "boxcar"}}),
    "gross errors": case(LETKF, {"observations": {"gross_error_limit": 2.5}}),
    "members": case(LETKF, {"output": {"members_every": 100, "fields_every": 7}}),
    "model error": case(LETKF, {"truth_lorenz96": {"forcing": 8.5, "dt": 0.025}}),
    "relaxation and noise": case(
        LETKF, {"inflation": {"prior": 1.01, "rtpp": 0.1, "rtps": 0.3, "additive": 0.05}}
    ),
    "cubic term": case(
        LETKF, {"cycle": {"model": "lorenz96_cubic"}, "truth": {"model": "lorenz96"}}
    ),
    "two scales": case(LETKF, {"cycle": {"model": "lorenz96_two_scale", "cycles": 300}}),
    "start from the truth": case(LETKF, {"ensemble": {"initial": "truth", "initial_sd": 0.5}}),
    "verification": case(LETKF, VERIFICATION),
    "verification of two scales": case(
        LETKF,
        VERIFICATION,
        {"cycle": {"model": "lorenz96_two_scale", "cycles": 300}},
    ),
    "nothing but scores": case(LETKF, {"output": {"fields_every": 0, "feedback": False}}),
}

ANALYSES = ["letkf", "etkf", "enkf_n", "denkf", "stochastic_enkf", "climatology", "none"]


@pytest.fixture(scope="module")
def on_one_rank(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], Path]:
    """`on_one_rank(name, n)`: the output of a case of `n` points, run once."""

    @cache
    def output(name: str, n: int) -> Path:
        return run(with_points(name, n), tmp_path_factory.mktemp("one"))

    return output


def with_points(name: str, n: int) -> Groups:
    model = CASES[name]["cycle"].get("model", "lorenz96")
    return nml.merge(CASES[name], {model: {"n": n}})


def same(path: Path, other: Path) -> bool:
    return filecmp.cmp(path, other, shallow=False)


@pytest.mark.parametrize("ranks", [2, 3, 4])
@pytest.mark.parametrize("name", CASES)
def test_ranks_change_no_bit(
    name: str, ranks: int, on_one_rank: Callable[[str, int], Path], run: Run, tmp_path: Path
) -> None:
    assert same(run(with_points(name, 40), tmp_path, ranks), on_one_rank(name, 40))


@pytest.mark.parametrize("name", [*ANALYSES, "verification"])
def test_slabs_narrower_than_a_halo_change_no_bit(
    name: str, on_one_rank: Callable[[str, int], Path], run: Run, tmp_path: Path
) -> None:
    """13 points on 5 ranks: slabs of 2 and 3 points, the localisation reaches all round."""
    assert same(run(with_points(name, 13), tmp_path, 5), on_one_rank(name, 13))


@pytest.mark.parametrize("name", ANALYSES)
def test_runs_are_chaotic_and_differ_with_the_seed(
    name: str, on_one_rank: Callable[[str, int], Path], run: Run, tmp_path: Path
) -> None:
    """Else the tests above could not fail."""
    other = nml.merge(with_points(name, 13), {"cycle": {"seed": 8}})
    assert not same(run(other, tmp_path), on_one_rank(name, 13))


@pytest.fixture(scope="module")
def file_case(tmp_path_factory: pytest.TempPathFactory) -> tuple[Groups, Path]:
    """Truth and observations in files: rows of a time in no order, some missing, some outliers."""
    folder = tmp_path_factory.mktemp("files")
    random = np.random.default_rng(5)
    cycles, n, rows = 300, 13, 9
    steps = np.arange(cycles + 1)[:, None]
    with netCDF4.Dataset(folder / "truth.nc", "w") as file:
        file.createDimension("time", cycles + 1)
        file.createDimension("x", n)
        file.createVariable("time", "f8", ("time",))[:] = 0.05 * steps[:, 0]
        state = 2.3 + 3.6 * np.sin(0.3 * steps + np.arange(n))
        file.createVariable("state", "f8", ("time", "x"))[:] = state
    position = random.uniform(0, n, cycles * rows)
    value = 2.3 + 3.6 * np.sin(0.3 * np.repeat(steps[1:, 0], rows) + position)
    value[::17] = np.nan
    value[::23] = 60.0
    kept = random.random(cycles * rows) < 0.8
    columns = {
        "time": 0.05 * np.repeat(steps[1:, 0], rows),
        "position": position,
        "value": value + random.normal(size=value.size),
        "error_sd": random.uniform(0.5, 2.0, value.size),
        "kind": np.ones(value.size, np.int32),
    }
    with netCDF4.Dataset(folder / "observations.nc", "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("observation", kept.sum())
        for name, column in columns.items():
            file.createVariable(name, column.dtype, ("observation",))[:] = column[kept]
    groups: Groups = {
        "cycle": {"cycles": cycles, "burn_in": 50},
        "lorenz96": {"n": n},
        "truth": {"source": "file", "file": str(folder / "truth.nc")},
        "observations": {
            "source": "file",
            "file": str(folder / "observations.nc"),
            "gross_error_limit": 5.0,
        },
        "ensemble": {"members": 8},
        "verification": {"lead_times": [0.05, 0.6], "forecasts_every": 30},
    }
    return groups, folder


@pytest.fixture(scope="module")
def files_on_one_rank(
    file_case: tuple[Groups, Path], run: Run, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return run(file_case[0], tmp_path_factory.mktemp("one"))


@pytest.mark.parametrize("ranks", [2, 3, 4, 13])
def test_files_give_the_same_bits(
    ranks: int, file_case: tuple[Groups, Path], files_on_one_rank: Path, run: Run, tmp_path: Path
) -> None:
    with netCDF4.Dataset(files_on_one_rank) as file:
        assert set(np.unique(file["obs_qc"][:])) == {0, 6, 7}
    assert same(run(file_case[0], tmp_path, ranks), files_on_one_rank)


def test_neutral_inflation_changes_no_bit(run: Run, tmp_path: Path) -> None:
    groups = case(LETKF, {"inflation": {"posterior": 1.04}})
    factors = {"prior": 1.0, "rtpp": 0.0, "rtps": 0.0, "additive": 0.0}
    neutral = nml.merge(groups, {"inflation": factors})
    assert same(run(neutral, tmp_path / "neutral"), run(groups, tmp_path / "none"))


def test_verification_changes_no_bit_of_the_rest(run: Run, tmp_path: Path) -> None:
    """What is verified is looked at only; a group that asks for nothing adds nothing."""
    with (
        netCDF4.Dataset(run(case(LETKF), tmp_path / "without")) as without,
        netCDF4.Dataset(run(case(LETKF, VERIFICATION), tmp_path / "with")) as verified,
    ):
        assert set(without.variables) < set(verified.variables)
        for name in without.variables:
            np.testing.assert_array_equal(without[name][:], verified[name][:])
    nothing = case(LETKF, {"verification": {"crps": False}})
    assert same(run(nothing, tmp_path / "nothing"), tmp_path / "without" / "run.nc")


def test_no_limit_and_a_limit_out_of_reach_change_no_bit(run: Run, tmp_path: Path) -> None:
    far = case(LETKF, {"observations": {"gross_error_limit": 1e6}})
    with (
        netCDF4.Dataset(run(case(LETKF), tmp_path / "none")) as without,
        netCDF4.Dataset(run(far, tmp_path / "far")) as limited,
    ):
        np.testing.assert_array_equal(without["analysis_mean"][:], limited["analysis_mean"][:])
