"""What becomes of observations before the filter: rejected, weighed, whitened; and its record."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray as xr

from dacycle import namelist as nml

CYCLES = 10
N = 8
ASSIMILATED, EVALUATED, THINNED, MISSING, OUTLIER, PART = 0, 1, 5, 6, 7, 9

Groups = dict[str, dict[str, Any]]
Run = Callable[..., Path]


def groups(analysis: str = "letkf", limit: float = 0.0) -> Groups:
    """Observations from a file, without a truth."""
    return {
        "cycle": {"cycles": CYCLES, "burn_in": 2, "analysis": analysis},
        "lorenz96": {"n": N},
        "ensemble": {"members": 6},
        "truth": {"source": "none"},
        "observations": {
            "source": "file",
            "file": "observations.nc",
            "gross_error_limit": limit,
        },
    }


def values() -> np.ndarray[Any, Any]:
    """Rows 0 … 79: eight points in each of ten cycles."""
    return 2.0 + np.cos(np.arange(float(CYCLES * N)))


@pytest.fixture
def output(run: Run, make_observations: Callable[..., Path], tmp_path: Path) -> Any:
    """`output(value, groups, ranks=1, **columns)`: the output of a run on observed values."""

    def open_output(value: Any, settings: Groups, ranks: int = 1, **columns: Any) -> xr.Dataset:
        make_observations(value=value, **columns)
        with xr.open_dataset(run(settings, tmp_path, ranks), engine="netcdf4") as dataset:
            return dataset.load()

    return open_output


@pytest.mark.parametrize("ranks", [1, 3])
@pytest.mark.parametrize("analysis", ["letkf", "etkf", "stochastic_enkf", "none"])
@pytest.mark.parametrize("missing", [np.nan, np.inf, netCDF4.default_fillvals["f8"]])
def test_missing_values(missing: float, analysis: str, ranks: int, output: Any) -> None:
    value = values()
    value[[3, 11, 79]] = missing
    run = output(value, groups(analysis), ranks)
    expected = np.full(CYCLES * N, EVALUATED if analysis == "none" else ASSIMILATED)
    expected[[3, 11, 79]] = MISSING
    np.testing.assert_array_equal(run["obs_qc"], expected)
    np.testing.assert_array_equal(run["observations_rejected"], [1, 1, 0, 0, 0, 0, 0, 0, 0, 1])
    np.testing.assert_array_equal(run["observations_used"], N - run["observations_rejected"])
    assert np.isfinite(run["analysis_mean"]).all()
    assert np.isfinite(run["innovation_chi2"]).all()
    assert np.isfinite(run["obs_background"]).all()


def test_a_fill_value_of_the_file(output: Any) -> None:
    value = np.ma.array(values(), fill_value=-99.0)
    value[[5, 6]] = np.ma.masked
    run = output(value, groups())
    np.testing.assert_array_equal(np.flatnonzero(run["obs_qc"] == MISSING), [5, 6])


def test_a_cycle_without_a_value(output: Any) -> None:
    """Nothing was used, so there is no innovation to average."""
    value = values()
    value[N : 2 * N] = np.nan
    run = output(value, groups())
    assert run["observations_used"][1] == 0
    assert np.isnan(run["innovation_chi2"][1])
    assert np.isfinite(run["innovation_chi2"][2:]).all()
    np.testing.assert_allclose(run["analysis_mean"][1], run["background_mean"][1], atol=1e-12)


def test_what_is_missing_does_not_matter(output: Any) -> None:
    """A missing row changes the analysis as a row that is not there: here, none is left."""
    nothing = output(np.full(CYCLES * N, np.nan), groups())
    assert (nothing["obs_qc"] == MISSING).all()
    assert not nothing["observations_used"].any()


@pytest.mark.parametrize("ranks", [1, 3])
def test_gross_errors(ranks: int, output: Any) -> None:
    value = values()
    value[[4, 60]] = [90.0, -90.0]
    value[61] = np.nan
    limit = 4.0
    run = output(value, groups(limit=limit), ranks)
    qc = run["obs_qc"].values
    assert (qc[[4, 60, 61]] == [OUTLIER, OUTLIER, MISSING]).all()
    expected = np.hypot(run["obs_background_sd"], run["obs_error_sd"])
    normalised = np.abs(run["obs_value"] - run["obs_background"]) / expected
    known = qc != MISSING
    np.testing.assert_array_equal(qc[known] == OUTLIER, normalised.values[known] > limit)
    assert int(run["observations_rejected"].sum()) == np.count_nonzero(qc)


def test_without_a_limit_nothing_is_rejected(output: Any) -> None:
    value = values()
    value[4] = 90.0
    assert (output(value, groups())["obs_qc"] == ASSIMILATED).all()


def weighted(limit: float = 0.0, **keys: Any) -> Groups:
    return groups(limit=limit) | {"quality_control": keys}


@pytest.mark.parametrize("ranks", [1, 3])
@pytest.mark.parametrize("weighting", ["huber", "varqc"])
def test_weights_follow_their_formula(weighting: str, ranks: int, output: Any) -> None:
    """They are written beside the errors as given, and zero where nothing was used."""
    value = values()
    value[[4, 60]] = [9.0, -90.0]
    value[61] = np.nan
    run = output(value, weighted(limit=12.0, weighting=weighting), ranks)
    expected_sd = np.hypot(run["obs_background_sd"], run["obs_error_sd"]).values
    d = np.abs(run["obs_value"] - run["obs_background"]).values / expected_sd
    if weighting == "huber":
        weight = np.minimum(1.0, 2.0 / d)
    else:
        good = 0.99 * np.exp(-(d**2) / 2) / np.sqrt(2 * np.pi)
        weight = good / (good + 0.01 / (2 * 10.0))
    weight[run["obs_qc"] != ASSIMILATED] = 0.0
    assert (weight == 0).any()
    assert (weight[weight > 0] < 0.95).any()
    np.testing.assert_allclose(run["obs_weight"], np.maximum(weight, 0), atol=1e-13)
    np.testing.assert_array_equal(run["obs_error_sd"], np.ones(CYCLES * N))


def test_weights_protect_the_analysis(output: Any) -> None:
    """A value that is far off pulls the analysis less than without weights."""
    value = values()
    value[4] = 60.0

    def pull(settings: Groups) -> float:
        run = output(value, settings)
        return float(abs(run["obs_analysis"] - run["obs_background"])[4])

    none = pull(groups())
    assert 0 < pull(weighted(weighting="huber")) < 0.7 * none
    assert 0 <= pull(weighted(weighting="varqc")) < 0.2 * none


def test_no_weights_without_weighting(output: Any) -> None:
    assert "obs_weight" not in output(values(), groups())


@pytest.mark.parametrize("ranks", [1, 3])
def test_correlated_errors_at_one_place_end_the_run(
    ranks: int,
    da_cycle: Callable[..., subprocess.CompletedProcess[str]],
    make_observations: Callable[..., Path],
    tmp_path: Path,
) -> None:
    """Only those that are used count: the missing ones of the first cycle do no harm."""
    position = np.tile(np.arange(float(N)), CYCLES)
    position[[4, 2 * N + 4]] = 3.0
    value = values()
    value[4] = np.nan
    make_observations(position=position, value=value)
    settings = groups()
    settings["observations"]["error_correlation_length"] = 2.0
    nml.write(settings, tmp_path / "run.nml")
    done = da_cycle(["run.nml"], ranks, cwd=tmp_path)
    assert done.returncode == 2
    for word in ("cycle 3", "observations 19 and 20", "position 3.0", "error_correlation_length"):
        assert word in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["observations.nc", "run.nml"]


def test_correlation_is_told_apart(output: Any) -> None:
    """A pattern that correlated errors make pulls less, one that they hardly make pulls more."""

    def pull(pattern: Any, length: float) -> float:
        value = values()
        value[:N] += pattern
        settings = groups("etkf")
        settings["observations"]["error_correlation_length"] = length
        run = output(value, settings)
        increment = (run["obs_analysis"] - run["obs_background"]).values[:N]
        return float(np.linalg.norm(increment))

    even, odd = 20.0 * np.ones(N), 20.0 * (-1.0) ** np.arange(N)
    assert pull(even, 3.0) < pull(even, 0.0)
    assert pull(odd, 3.0) > pull(odd, 0.0)


@pytest.mark.parametrize("ranks", [1, 3])
def test_thinning_keeps_the_record(ranks: int, output: Any) -> None:
    """Outliers are rejected first: in the cell of a rejected observation another one stays."""
    value = values()
    value[[1, 60]] = 90.0
    settings = groups(limit=8.0) | {"thinning": {"spacing": 3.0}}
    run = output(value, settings, ranks)
    expected = np.tile([THINNED, ASSIMILATED, THINNED] * 2 + [THINNED, ASSIMILATED], CYCLES)
    expected[[1, 60]] = OUTLIER
    expected[[2, 61]] = ASSIMILATED
    np.testing.assert_array_equal(run["obs_qc"], expected)
    assert np.isfinite(run["obs_background"]).all()
    assert np.isfinite(run["obs_analysis"]).all()
    np.testing.assert_array_equal(run["observations_used"], np.full(CYCLES, 3))


def test_what_was_thinned_does_not_matter(output: Any) -> None:
    value = values()
    settings = groups() | {"thinning": {"spacing": 2.0}}
    one = output(value, settings)
    value[::2] += 5.0
    other = output(value, settings)
    assert (one["obs_qc"][::2] == THINNED).all()
    np.testing.assert_array_equal(one["analysis_mean"], other["analysis_mean"])


@pytest.mark.parametrize("ranks", [1, 3])
def test_superobservations_keep_the_record(ranks: int, output: Any) -> None:
    """All parts appear as they were, but with a code of their own; one alone is no part."""
    value = values()
    value[[0, 1, 61]] = 90.0
    settings = groups(limit=8.0) | {"superobbing": {"width": 3.0}}
    run = output(value, settings, ranks)
    expected = np.full(CYCLES * N, PART)
    expected[[0, 1, 2]] = [OUTLIER, OUTLIER, ASSIMILATED]
    expected[61] = OUTLIER
    np.testing.assert_array_equal(run["obs_qc"], expected)
    np.testing.assert_array_equal(run["obs_value"], value)
    np.testing.assert_array_equal(run["obs_error_sd"], np.ones(CYCLES * N))
    assert np.isfinite(run["obs_analysis"]).all()
    np.testing.assert_array_equal(run["observations_used"], [6, *[8] * 6, 7, 8, 8])
    assert np.isfinite(run["innovation_chi2"]).all()


@pytest.mark.parametrize("analysis", ["letkf", "etkf", "enkf_n", "denkf"])
def test_a_superobservation_is_what_the_file_could_have_said(analysis: str, output: Any) -> None:
    """Three observations of each point, merged here or in the file: the same analysis."""
    random = np.random.default_rng(3)
    value = values()[:, None] + random.normal(size=(CYCLES * N, 3))
    error_sd = np.tile([0.5, 1.0, 2.0], (CYCLES * N, 1))
    precision = error_sd**-2
    base = groups(analysis)
    columns = {
        "time": 0.05 * np.repeat(np.arange(1, CYCLES + 1), 3 * N),
        "position": np.tile(np.repeat(np.arange(float(N)), 3), CYCLES),
        "value": value.ravel(),
        "error_sd": error_sd.ravel(),
        "kind": np.ones(3 * CYCLES * N, np.int32),
    }
    merged_value = (precision * value).sum(axis=1) / precision.sum(axis=1)
    merged_here = output(columns.pop("value"), base | {"superobbing": {"width": 1.0}}, **columns)
    assert (merged_here["obs_qc"] == PART).all()
    in_file = output(merged_value, base, error_sd=precision.sum(axis=1) ** -0.5)
    np.testing.assert_allclose(merged_here["analysis_mean"], in_file["analysis_mean"], atol=1e-8)


TWIN: Groups = {
    "cycle": {"cycles": 1500, "burn_in": 300},
    "ensemble": {"members": 10, "initial": "truth", "initial_sd": 0.1},
    "inflation": {"posterior": 1.04},
    "localisation": {"radius": 6.0},
    "output": {"fields_every": 0, "feedback": False},
}
"""LETKF in the setting of Sakov & Oke (2008); on clean observations its RMSE is 0.20."""


@pytest.fixture(scope="module")
def truth(run: Run, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray[Any, Any]:
    """The truth of the twin, `(cycle, point)`."""
    groups = nml.merge(TWIN, {"output": {"fields_every": 1}})
    groups = nml.merge(groups, {"cycle": {"analysis": "none"}, "ensemble": {"members": 1}})
    del groups["inflation"], groups["localisation"]
    with netCDF4.Dataset(run(groups, tmp_path_factory.mktemp("truth"))) as file:
        return np.asarray(file["truth"][:])


@pytest.fixture
def rmse(run: Run, make_observations: Callable[..., Path], tmp_path: Path) -> Any:
    """`rmse(value, settings)`: of the twin's analysis on observed values, after the burn-in."""

    def time_mean(value: np.ndarray[Any, Any], settings: Groups) -> float:
        make_observations(cycles=value.shape[0], n=value.shape[1], value=value.ravel())
        source = {"observations": {"source": "file", "file": "observations.nc"}}
        path = run(nml.merge(nml.merge(TWIN, source), settings), tmp_path)
        with netCDF4.Dataset(path) as file:
            return float(file["analysis_rmse"].time_mean)

    return time_mean


def test_gross_errors_are_survived(truth: np.ndarray[Any, Any], rmse: Any) -> None:
    """With 5 % of the errors ten times as large; docs/quality_control.md has longer runs."""
    random = np.random.default_rng(1)
    sd = np.where(random.random(truth.shape) < 0.05, 10.0, 1.0)
    value = truth + sd * random.normal(size=truth.shape)
    assert rmse(value, {}) > 0.6
    assert rmse(value, {"observations": {"gross_error_limit": 3.0}}) < 0.24
    assert rmse(value, {"quality_control": {"weighting": "huber"}}) < 0.26
    assert rmse(value, {"quality_control": {"weighting": "varqc"}}) < 0.24


def test_correlated_errors_are_an_advantage(truth: np.ndarray[Any, Any], rmse: Any) -> None:
    """Who knows that errors are smooth sees more; who does not know it sees less."""
    random = np.random.default_rng(2)
    rho = np.exp(-1 / 2.0)
    error = random.normal(size=truth.shape)
    for j in range(1, truth.shape[1]):
        error[:, j] = rho * error[:, j - 1] + np.sqrt(1 - rho**2) * error[:, j]
    told = rmse(truth + error, {"observations": {"error_correlation_length": 2.0}})
    assert told < 0.8 * rmse(truth + error, {})
    assert told < 0.16
