"""Settings that ask for nothing change no bit, and what is looked at only changes no other."""

import filecmp
from collections.abc import Callable, Iterable
from functools import reduce
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest

from dacycle import namelist as nml

Groups = dict[str, dict[str, Any]]
Run = Callable[..., Path]

COMMON: Groups = {"cycle": {"cycles": 400, "burn_in": 100, "seed": 7}}
LETKF: Groups = {"cycle": {"analysis": "letkf"}, "ensemble": {"members": 10}}
ADAPTIVE: Groups = {"adaptive_inflation": {"scheme": "miyoshi2011", "sd": 0.1}}
WINDOWS: dict[str, Groups] = {
    "var3d": {"cycle": {"analysis": "var3d"}, "ensemble": {"members": 1}},
    "var4d": {
        "cycle": {"analysis": "var4d", "interval": 0.1},
        "ensemble": {"members": 1},
        "variational": {"window": 3, "outer_loops": 2},
        "background": {"factor": 0.005},
    },
    "ienks": {
        "cycle": {"analysis": "ienks"},
        "ensemble": {"members": 20},
        "ienks": {"window": 4},
    },
}
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
JUDGED: Groups = {
    "cycle": {"analysis": "var4d", "cycles": 300},
    "ensemble": {"members": 1},
    "variational": {"window": 2, "outer_loops": 2},
    "observations": {"stride": 0.7, "offset": 0.3, "gross_error_limit": 3.0},
}
IMPACT: Groups = {
    "impact": {"every": 3, "lead": 0.3, "norm": [9, 2], "regions": [0, 5, 6, 12], "denial": True}
}


def case(*parts: Groups) -> Groups:
    return reduce(nml.merge, parts, COMMON)


def same(path: Path, other: Path) -> bool:
    return filecmp.cmp(path, other, shallow=False)


def assert_equal_variables(
    one: netCDF4.Dataset, other: netCDF4.Dataset, names: Iterable[str] | None = None
) -> None:
    """Every variable of the first file, or those named, has the same values in the other."""
    for name in one.variables if names is None else names:
        np.testing.assert_array_equal(one[name][:], other[name][:], err_msg=name)


@pytest.fixture(scope="module")
def plain(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a local filter without anything else."""
    return run(case(LETKF), tmp_path_factory.mktemp("plain"))


def test_neutral_inflation_changes_no_bit(run: Run, tmp_path: Path) -> None:
    groups = case(LETKF, {"inflation": {"posterior": 1.04}})
    factors = {"prior": 1.0, "rtpp": 0.0, "rtps": 0.0, "additive": 0.0}
    neutral = nml.merge(groups, {"inflation": factors})
    assert same(run(neutral, tmp_path / "neutral"), run(groups, tmp_path / "none"))


def test_neutral_observation_settings_change_no_bit(plain: Path, run: Run, tmp_path: Path) -> None:
    """Keys at their defaults, given."""
    settings = {
        "network": "given",
        "drift": 0.0,
        "every": 1,
        "kinds": ["value", "value"],
        "error_distribution": "gaussian",
        "error_correlation_length": 0.0,
        "gross_error_share": 0.0,
    }
    neutral = run(case(LETKF, {"observations": settings}), tmp_path)
    with netCDF4.Dataset(plain) as one, netCDF4.Dataset(neutral) as other:
        assert_equal_variables(one, other)


def test_adaptive_inflation_held_at_one_changes_nothing(run: Run, tmp_path: Path) -> None:
    held = {"initial": 1.0, "minimum": 1.0, "maximum": 1.0}
    with (
        netCDF4.Dataset(
            run(case(LETKF, {"inflation": {"posterior": 1.0}}), tmp_path / "none")
        ) as none,
        netCDF4.Dataset(
            run(case(LETKF, ADAPTIVE, {"adaptive_inflation": held}), tmp_path / "held")
        ) as adaptive,
    ):
        assert (adaptive["inflation"][:] == 1).all()
        for name in none.variables:
            np.testing.assert_allclose(
                none[name][:100], adaptive[name][:100], rtol=0, atol=1e-9, err_msg=name
            )


@pytest.mark.parametrize(
    "neutral",
    [
        {"model_error": {"sd": 0.0, "truth_sd": 0.0}},
        {"adaptive_inflation": {"scheme": "none"}, "inflation": {"posterior": 1.03}},
        {"observations": {"bias": 0.0}, "observation_bias": {"estimate": False}},
        {"letkf": {"weights_every": 1}},
    ],
    ids=["model error", "adaptive inflation", "bias", "weights at every point"],
)
def test_what_is_neutral_changes_no_bit(
    neutral: Groups, plain: Path, run: Run, tmp_path: Path
) -> None:
    assert same(run(case(LETKF, neutral), tmp_path), plain)


@pytest.mark.parametrize(
    ("name", "neutral"),
    [
        ("var3d", {"variational": {"window": 0}}),
        ("var3d", {"variational": {"window": 1}}),
        ("var4d", {"variational": {"shift": 1, "multiple": False}}),
        ("ienks", {"ienks": {"shift": 1, "multiple": False}}),
    ],
    ids=str,
)
def test_windows_of_one_cycle_change_no_bit(
    name: str, neutral: Groups, run: Run, tmp_path: Path
) -> None:
    short = case(WINDOWS[name], {"cycle": {"cycles": 200}})
    with (
        netCDF4.Dataset(run(short, tmp_path / "without")) as without,
        netCDF4.Dataset(run(nml.merge(short, neutral), tmp_path / "neutral")) as other,
    ):
        assert_equal_variables(without, other)


@pytest.mark.parametrize("scheme", ["var4d", "ienks"])
def test_weights_of_separate_windows_are_one(scheme: str, run: Run, tmp_path: Path) -> None:
    """Where windows do not overlap, multiple data assimilation is single."""
    group = {"var4d": "variational", "ienks": "ienks"}[scheme]
    single = case(WINDOWS[scheme], {group: {"window": 3, "shift": 3}, "cycle": {"cycles": 201}})
    multiple = nml.merge(single, {group: {"multiple": True}})
    with (
        netCDF4.Dataset(run(single, tmp_path / "single")) as one,
        netCDF4.Dataset(run(multiple, tmp_path / "multiple")) as other,
    ):
        assert_equal_variables(one, other)


def test_between_analyses_the_state_is_the_forecast(run: Run, tmp_path: Path) -> None:
    """Observations of these cycles have met it, and have an analysis of a later cycle."""
    groups = case(WINDOWS["ienks"], {"ienks": {"shift": 2}, "cycle": {"cycles": 200}})
    with netCDF4.Dataset(run(groups, tmp_path)) as file:
        background, analysis = file["background_mean"][:], file["analysis_mean"][:]
        np.testing.assert_array_equal(background[::2], analysis[::2])
        assert (background[1::2] != analysis[1::2]).all()
        values = {
            name: file[f"obs_{name}"][:].reshape(200, 40) for name in ("background", "analysis")
        }
        np.testing.assert_array_equal(values["background"], background)
        np.testing.assert_array_equal(values["analysis"][1::2], analysis[1::2])
        assert (values["analysis"][::2] != analysis[::2]).all()
        assert (file["obs_qc"][:] == 0).all()


@pytest.mark.parametrize("analysis", ["etkf", "letkf", "stochastic_enkf", "ensrf"])
def test_a_smoother_changes_no_bit_of_its_filter(analysis: str, run: Run, tmp_path: Path) -> None:
    groups = case(LETKF, {"cycle": {"analysis": analysis, "cycles": 300}})
    with (
        netCDF4.Dataset(run(groups, tmp_path / "filter")) as filtered,
        netCDF4.Dataset(
            run(nml.merge(groups, {"smoother": {"lag": 6}}), tmp_path / "smoother")
        ) as smoothed,
    ):
        assert set(smoothed.variables) - set(filtered.variables) == {
            "smoothed_mean",
            "smoothed_rmse",
            "smoothed_rmse_by_lag",
            "lag",
        }
        assert_equal_variables(filtered, smoothed)
        np.testing.assert_array_equal(
            smoothed["smoothed_rmse_by_lag"][:, -1], smoothed["smoothed_rmse"][:]
        )


def test_a_shorter_lag_gives_the_same_bits(run: Run, tmp_path: Path) -> None:
    groups = case(LETKF, {"cycle": {"cycles": 300}, "smoother": {"lag": 7}})
    with (
        netCDF4.Dataset(run(groups, tmp_path / "long")) as long,
        netCDF4.Dataset(run(nml.merge(groups, {"smoother": {"lag": 3}}), tmp_path / "s")) as short,
    ):
        np.testing.assert_array_equal(
            long["smoothed_rmse_by_lag"][:, :3], short["smoothed_rmse_by_lag"][:]
        )


def test_verification_changes_no_bit_of_the_rest(plain: Path, run: Run, tmp_path: Path) -> None:
    """What is verified is looked at only; a group that asks for nothing adds nothing."""
    judged = run(case(LETKF, VERIFICATION), tmp_path / "with")
    with netCDF4.Dataset(plain) as without, netCDF4.Dataset(judged) as verified:
        assert set(without.variables) < set(verified.variables)
        assert_equal_variables(without, verified)
    nothing = case(LETKF, {"verification": {"crps": False}})
    assert same(run(nothing, tmp_path / "nothing"), plain)


def test_impact_changes_no_bit_of_the_rest(run: Run, tmp_path: Path) -> None:
    """It is looked at only; with `every = 0` nothing is added."""
    with (
        netCDF4.Dataset(run(case(JUDGED), tmp_path / "without")) as without,
        netCDF4.Dataset(run(case(JUDGED, IMPACT), tmp_path / "with")) as other,
    ):
        assert set(without.variables) < set(other.variables)
        assert_equal_variables(without, other)
    nothing = case(JUDGED, {"impact": {"every": 0}})
    assert same(run(nothing, tmp_path / "nothing"), tmp_path / "without" / "run.nc")


@pytest.mark.parametrize(
    "neutral",
    [
        {"observations": {"gross_error_limit": 1e6}},
        {"quality_control": {"weighting": "none"}},
        {"thinning": {"spacing": 0.5}},
        {"superobbing": {"width": 0.5}},
        {"quality_control": {"weighting": "huber", "huber_limit": 1e6}},
    ],
    ids=str,
)
def test_treatments_without_effect_change_no_bit(
    neutral: Groups, plain: Path, run: Run, tmp_path: Path
) -> None:
    treated = run(case(LETKF, neutral), tmp_path)
    with netCDF4.Dataset(plain) as without, netCDF4.Dataset(treated) as other:
        assert_equal_variables(
            without, other, ("analysis_mean", "analysis_sd", "obs_analysis", "obs_qc")
        )
