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

DIAGNOSTICS: Groups = {
    "diagnostics": {
        "iterations": True,
        "hessian": "lanczos",
        "vectors": 15,
        "dfs_samples": 2,
        "analysis_error": True,
        "probes": 7,
    }
}

ADAPTIVE: Groups = {"adaptive_inflation": {"scheme": "miyoshi2011", "sd": 0.1}}

FORCED: Groups = {"cycle": {"model": "lorenz96_forced"}}

BIASED: Groups = {
    "observations": {"bias": 0.5},
    "observation_bias": {"estimate": True, "random_walk": 0.01, "minimum_sd": 0.02},
}

IMPACT: Groups = {
    "cycle": {"cycles": 300},
    "ensemble": {"members": 1},
    "variational": {"outer_loops": 2},
    "observations": {"stride": 0.7, "offset": 0.3, "gross_error_limit": 3.0},
    "impact": {"every": 3, "lead": 0.3, "norm": [9, 2], "regions": [0, 5, 6, 12], "denial": True},
}


def case(*parts: Groups) -> Groups:
    merged = COMMON
    for part in parts:
        merged = nml.merge(merged, part)
    return merged


CASES: dict[str, Groups] = {
    "letkf": case(LETKF),
    "etkf": case({"cycle": {"analysis": "etkf"}, "ensemble": {"members": 24}}),
    "smoothed etkf": case(
        {"cycle": {"analysis": "etkf"}, "ensemble": {"members": 24}, "smoother": {"lag": 5}},
        BIASED,
    ),
    "smoothed letkf": case(LETKF, {"smoother": {"lag": 4}, "letkf": {"weights_every": 3}}),
    "smoothed eakf": case(
        {"cycle": {"analysis": "eakf"}, "ensemble": {"members": 10}, "smoother": {"lag": 3}}
    ),
    "stochastic_enkf": case(
        {"cycle": {"analysis": "stochastic_enkf"}, "ensemble": {"members": 24}}
    ),
    "enkf_n": case({"cycle": {"analysis": "enkf_n"}, "ensemble": {"members": 24}}),
    "denkf": case({"cycle": {"analysis": "denkf"}, "ensemble": {"members": 24}}),
    "ensrf": case({"cycle": {"analysis": "ensrf"}, "ensemble": {"members": 10}}),
    "eakf": case({"cycle": {"analysis": "eakf"}, "ensemble": {"members": 10}}),
    "global ensrf": case(
        {"cycle": {"analysis": "ensrf"}, "ensemble": {"members": 24}},
        {"localisation": {"taper": "none"}},
    ),
    "eakf in two blocks": case(
        {"cycle": {"analysis": "eakf"}, "ensemble": {"members": 10}},
        {"localisation": {"radius": 2.5}},
    ),
    "ensrf in ten blocks": case(
        {"cycle": {"analysis": "ensrf"}, "ensemble": {"members": 10}},
        {"localisation": {"radius": 1.9, "taper": "boxcar"}},
        {"observations": {"stride": 0.7, "offset": 0.3, "gross_error_limit": 3.0}},
    ),
    "local_particle_filter": case(
        {"cycle": {"analysis": "local_particle_filter"}, "ensemble": {"members": 20}},
        {"localisation": {"radius": 2.5}},
    ),
    "mapped particles": case(
        {"cycle": {"analysis": "local_particle_filter", "cycles": 300}},
        {"local_particle_filter": {"kddm": True}, "ensemble": {"members": 10}},
    ),
    "var3d": case({"cycle": {"analysis": "var3d"}, "ensemble": {"members": 1}}),
    "impact": case({"cycle": {"analysis": "var4d"}}, IMPACT, {"variational": {"window": 2}}),
    "impact of var3d": case({"cycle": {"analysis": "var3d"}}, IMPACT),
    "ensemble of var3d": case(
        {"cycle": {"analysis": "var3d"}, "ensemble": {"members": 4}},
        {"background": {"covariance": "homogeneous", "sd": 0.6}, "variational": {"outer_loops": 2}},
        {"observations": {"stride": 1.7, "offset": 0.3, "gross_error_limit": 3.0}},
    ),
    "var4d": case(
        {"cycle": {"analysis": "var4d", "interval": 0.1}, "ensemble": {"members": 1}},
        {"variational": {"window": 3, "outer_loops": 2}, "background": {"factor": 0.005}},
    ),
    "hybrid ensemble of var4d": case(
        {"cycle": {"analysis": "var4d", "cycles": 400}, "ensemble": {"members": 6}},
        {"hybrid": {"weight": 0.5, "inflation": 1.1}, "localisation": {"radius": 3.0}},
        {"variational": {"window": 2}, "background": {"covariance": "diagonal", "sd": 0.3}},
        {"observations": {"stride": 1.7, "offset": 0.3, "gross_error_limit": 3.0}},
    ),
    "e3dvar": case(
        {"cycle": {"analysis": "e3dvar"}, "ensemble": {"members": 10}},
        {"background": {"factor": 0.003}, "inflation": {"rtps": 0.3, "rtpp": 0.1}},
        {"localisation": {"taper": "exponential"}, "hybrid": {"weight": 0.7}},
    ),
    "e4dvar": case(
        {"cycle": {"analysis": "e4dvar", "interval": 0.1}, "ensemble": {"members": 10}},
        {"variational": {"window": 3, "outer_loops": 2}, "background": {"factor": 0.005}},
    ),
    "e4dvar, global": case(
        {"cycle": {"analysis": "e4dvar"}, "ensemble": {"members": 20}},
        {"hybrid": {"weight": 1.0, "filter": "etkf"}, "localisation": {"taper": "none"}},
        {"variational": {"window": 2}},
    ),
    "4denvar": case(
        {"cycle": {"analysis": "4denvar"}, "ensemble": {"members": 10}},
        {"variational": {"window": 4, "shift": 2, "outer_loops": 2}},
        {"background": {"factor": 0.003}},
        {"hybrid": {"weight": 0.8, "filter": "ensrf"}, "localisation": {"radius": 4.0}},
        {"observations": {"stride": 1.3}},
    ),
    "weak constraint": case(
        {"cycle": {"analysis": "var4d", "interval": 0.1}, "ensemble": {"members": 1}},
        {"variational": {"window": 3, "outer_loops": 2}, "background": {"factor": 0.005}},
        {"weak_constraint": {"forcings": "cycle", "sd": 0.2, "memory": 0.5, "added": "steps"}},
        {"model_error": {"truth_sd": 0.5}},
    ),
    "a constant forcing": case(
        {"cycle": {"analysis": "var4d", "interval": 0.1}, "ensemble": {"members": 1}},
        {"variational": {"window": 3}, "weak_constraint": {"forcings": "constant", "memory": 1.0}},
        {"weak_constraint": {"covariance": "homogeneous", "sd": 0.02, "length": 4.0}},
        {"truth_lorenz96": {"forcing": 8.5}, "observations": {"stride": 1.7}},
    ),
    "stochastic members of weak constraint": case(
        {"cycle": {"analysis": "var4d", "cycles": 400}, "ensemble": {"members": 3}},
        {"variational": {"window": 2}, "model_error": {"sd": 0.5, "truth_sd": 0.5}},
        {"weak_constraint": {"forcings": "cycle", "covariance": "climatology", "factor": 1e-3}},
    ),
    "diagnosed var4d": case(
        {"cycle": {"analysis": "var4d", "interval": 0.1, "cycles": 300}},
        {"variational": {"window": 3, "outer_loops": 2, "solver": "lanczos"}},
        {"variational": {"preconditioner": "lanczos"}, "background": {"factor": 0.005}},
        {"ensemble": {"members": 1}, "observations": {"stride": 1.7, "offset": 0.3}},
        DIAGNOSTICS,
    ),
    "probed var4d": case(
        {"cycle": {"analysis": "var4d", "cycles": 100, "burn_in": 10}},
        {"variational": {"window": 2}, "ensemble": {"members": 1}},
        {"diagnostics": {"analysis_error": True, "probes": 6}},
    ),
    "diagnosed ensemble of var3d": case(
        {"cycle": {"analysis": "var3d", "cycles": 300}, "ensemble": {"members": 3}},
        {"variational": {"solver": "lanczos"}, "observations": {"every": 2}},
        {"diagnostics": {"every": 5, "hessian": "minimisation", "dfs_samples": 1}},
    ),
    "ienks": case(
        {"cycle": {"analysis": "ienks"}, "ensemble": {"members": 20}, "ienks": {"window": 4}}
    ),
    "ienks-n, bundle": case(
        {"cycle": {"analysis": "ienks", "interval": 0.1}, "ensemble": {"members": 20}},
        {"ienks": {"window": 2, "variant": "bundle", "finite_size": True, "rotation": False}},
    ),
    "var4d, shift 2": case(
        {"cycle": {"analysis": "var4d", "interval": 0.1}, "ensemble": {"members": 1}},
        {"variational": {"window": 4, "shift": 2}, "background": {"factor": 0.005}},
        {"observations": {"gross_error_limit": 3.0, "every": 2}},
    ),
    "var4d, multiple": case(
        {"cycle": {"analysis": "var4d", "interval": 0.1, "cycles": 300}},
        {"variational": {"window": 5, "shift": 2, "multiple": True}, "ensemble": {"members": 3}},
        {"background": {"factor": 0.005}, "observations": {"stride": 1.7, "offset": 0.3}},
    ),
    "fgat": case(
        {"cycle": {"analysis": "var3d"}, "ensemble": {"members": 2}},
        {"variational": {"window": 4}, "background": {"factor": 0.05}},
        {"observations": {"stride": 1.7, "offset": 0.3, "gross_error_limit": 3.0}},
    ),
    "ienks, shift 2": case(
        {"cycle": {"analysis": "ienks"}, "ensemble": {"members": 20}},
        {"ienks": {"window": 4, "shift": 2}},
        {"observations": {"network": "random_points", "probability": 0.7}},
    ),
    "ienks, multiple": case(
        {"cycle": {"analysis": "ienks", "cycles": 600}, "ensemble": {"members": 20}},
        {"ienks": {"window": 4, "shift": 2, "multiple": True}},
        {"observations": {"error_correlation_length": 2.0, "gross_error_limit": 3.0}},
    ),
    "climatology": case({"cycle": {"analysis": "climatology"}, "ensemble": {"members": 10}}),
    "none": case({"cycle": {"analysis": "none"}, "ensemble": {"members": 10}}),
    "between points": case(LETKF, {"observations": {"stride": 1.7, "offset": 0.3}}),
    "a list of positions": case(
        LETKF,
        {"observations": {"positions": [*np.arange(39.5, 0.0, -1.75), 3.25, 3.25, 9.1, 0.0]}},
    ),
    "all kinds": case(
        LETKF,
        {
            "observations": {
                "kinds": ["value", "abs", "square", "power", "log", "average"],
                "stride": 0.7,
                "average_half_width": 3.3,
            }
        },
    ),
    "averages": case(LETKF, {"observations": {"kinds": "average", "average_half_width": 6.5}}),
    "curved averages": case(
        LETKF, {"observations": {"kinds": ["average", "value"], "average_curve": "power"}}
    ),
    "a moving network": case(
        LETKF, {"observations": {"stride": 2.0, "drift": 1.3, "kinds": ["value", "abs", "square"]}}
    ),
    "random positions": case(
        LETKF, {"observations": {"network": "random_positions", "count": 25, "every": 2}}
    ),
    "random points": case(
        LETKF, {"observations": {"network": "random_points", "probability": 0.7}}
    ),
    "random points, stochastic_enkf": case(
        {"cycle": {"analysis": "stochastic_enkf"}, "ensemble": {"members": 24}},
        {"observations": {"network": "random_points", "probability": 0.7, "every": 3}},
    ),
    "laplace and gross": case(
        LETKF,
        {
            "observations": {
                "error_distribution": "laplace",
                "gross_error_share": 0.05,
                "gross_error_limit": 4.0,
            }
        },
    ),
    "correlated errors": case(
        LETKF, {"observations": {"error_correlation_length": 2.5, "stride": 0.7}}
    ),
    "wider than the circle": case(LETKF, {"localisation": {"radius": 30.0, "taper": "boxcar"}}),
    "interpolated weights": case(
        LETKF, {"letkf": {"weights_every": 3}, "observations": {"stride": 1.7, "offset": 0.3}}
    ),
    "adaptive radius": case(
        LETKF,
        {
            "letkf": {"effective_observations": 6.0, "radius_maximum": 9.0},
            "localisation": {"radius": 2.0},
            "observations": {"stride": 1.7, "gross_error_limit": 2.5},
        },
    ),
    "gross errors": case(LETKF, {"observations": {"gross_error_limit": 2.5}}),
    "huber": case(LETKF, {"quality_control": {"weighting": "huber", "huber_limit": 0.8}}),
    "varqc": case(LETKF, {"quality_control": {"weighting": "varqc", "gross_probability": 0.2}}),
    "whitened": case(
        LETKF, {"observations": {"error_correlation_length": 2.0, "stride": 1.7, "offset": 0.3}}
    ),
    "thinning": case(LETKF, {"observations": {"stride": 0.45}, "thinning": {"spacing": 1.7}}),
    "superobservations": case(
        LETKF,
        {
            "observations": {"stride": 0.45},
            "superobbing": {"width": 2.3, "error_factor": 1.5},
            "quality_control": {"weighting": "huber", "huber_limit": 1.0},
        },
    ),
    "superobservations, perturbed": case(
        {"cycle": {"analysis": "stochastic_enkf"}, "ensemble": {"members": 24}},
        {"observations": {"stride": 0.3}, "superobbing": {"width": 2.3}},
    ),
    "members": case(LETKF, {"output": {"members_every": 100, "fields_every": 7}}),
    "model error": case(LETKF, {"truth_lorenz96": {"forcing": 8.5, "dt": 0.025}}),
    "relaxation and noise": case(
        LETKF, {"inflation": {"prior": 1.01, "rtpp": 0.1, "rtps": 0.3, "additive": 0.05}}
    ),
    "adaptive inflation": case(LETKF, ADAPTIVE, {"observations": {"stride": 1.7}}),
    "adaptive inflation of a global filter": case(
        {"cycle": {"analysis": "etkf"}, "ensemble": {"members": 24}}, ADAPTIVE
    ),
    "the same adaptive inflation everywhere": case(
        LETKF, ADAPTIVE, {"adaptive_inflation": {"radius": 0.0}}
    ),
    "a parameter": case(
        LETKF, FORCED, {"parameters": {"estimate": True, "first_guess": 7.0, "random_walk": 0.01}}
    ),
    "a parameter of a global filter": case(
        {"cycle": {"analysis": "etkf"}, "ensemble": {"members": 24}},
        FORCED,
        {"parameters": {"estimate": True, "minimum_sd": 0.02}},
    ),
    "a field of parameters": case(
        LETKF,
        ADAPTIVE,
        FORCED,
        {
            "parameters": {
                "estimate": True,
                "scope": "local",
                "correlation_length": 2.0,
                "random_walk": 0.01,
                "minimum_sd": 0.05,
            },
            "lorenz96_forced": {"amplitude": 1.0, "wave_number": 2},
            "output": {"members_every": 100},
        },
    ),
    "a bias": case(LETKF, BIASED),
    "a bias of a global filter": case(
        {"cycle": {"analysis": "etkf"}, "ensemble": {"members": 24}}, BIASED
    ),
    "all that can be estimated": case(
        LETKF, FORCED, ADAPTIVE, BIASED, {"parameters": {"estimate": True}}
    ),
    "stochastic models": case(
        LETKF, {"model_error": {"sd": 1.0, "truth_sd": 0.8, "correlation_length": 2.5}}
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

OBSERVED = [
    "all kinds",
    "averages",
    "curved averages",
    "a moving network",
    "random positions",
    "random points",
    "correlated errors",
]
"""Observations that reach beyond the slab, lie on other ranks each cycle, or share errors."""

ACROSS_SLABS = [
    "whitened",
    "thinning",
    "superobservations",
    "superobservations, perturbed",
]
"""What observations go through together with those of other ranks."""

CARRIED = [
    "adaptive inflation",
    "stochastic models",
    "a parameter",
    "a field of parameters",
    "a bias",
    "all that can be estimated",
]
"""Cases in which more than the ensemble goes on from cycle to cycle, or noise reaches far."""

ANALYSES = [
    "letkf",
    "etkf",
    "enkf_n",
    "denkf",
    "stochastic_enkf",
    "ensrf",
    "eakf",
    "local_particle_filter",
    "var3d",
    "ensemble of var3d",
    "var4d",
    "hybrid ensemble of var4d",
    "e3dvar",
    "e4dvar",
    "e4dvar, global",
    "4denvar",
    "ienks",
    "climatology",
    "none",
]

WINDOWS = ["var4d, shift 2", "var4d, multiple", "fgat", "ienks, shift 2", "ienks, multiple"]
"""Observations of several cycles at once."""

LOCAL = ["interpolated weights", "adaptive radius"]
"""Ways of the local filter that reach beyond a slab each in their own manner."""

LOOKED_AT = ["verification", "impact", "diagnosed var4d"]
"""What judges a run, and reaches beyond a slab to do so."""

REACHING = [*LOCAL, *OBSERVED, *ACROSS_SLABS, *CARRIED, *WINDOWS, *LOOKED_AT]


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


@pytest.mark.parametrize("name", [*ANALYSES, *REACHING])
def test_slabs_narrower_than_a_halo_change_no_bit(
    name: str, on_one_rank: Callable[[str, int], Path], run: Run, tmp_path: Path
) -> None:
    """13 points on 5 ranks: slabs of 2 and 3 points, the localisation reaches all round."""
    assert same(run(with_points(name, 13), tmp_path, 5), on_one_rank(name, 13))


@pytest.mark.parametrize("ranks", [3, 4])
def test_blocks_of_a_serial_filter_change_no_bit(
    ranks: int, on_one_rank: Callable[[str, int], Path], run: Run, tmp_path: Path
) -> None:
    """400 points: ranks share the blocks on their borders, others are theirs alone."""
    name = "eakf in two blocks"
    assert same(run(with_points(name, 400), tmp_path, ranks), on_one_rank(name, 400))


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
        "kind": random.integers(1, 7, value.size).astype(np.int32),
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


def test_neutral_observation_settings_change_no_bit(run: Run, tmp_path: Path) -> None:
    """Keys at their defaults, and a drift once round the circle."""
    settings = {
        "network": "given",
        "drift": 40.0,
        "every": 1,
        "kinds": ["value", "value"],
        "error_distribution": "gaussian",
        "error_correlation_length": 0.0,
        "gross_error_share": 0.0,
    }
    plain, neutral = case(LETKF), case(LETKF, {"observations": settings})
    with (
        netCDF4.Dataset(run(plain, tmp_path / "plain")) as one,
        netCDF4.Dataset(run(neutral, tmp_path / "neutral")) as other,
    ):
        for name in one.variables:
            np.testing.assert_array_equal(one[name][:], other[name][:])


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
    ],
    ids=["model error", "adaptive inflation", "bias"],
)
def test_what_is_neutral_changes_no_bit(neutral: Groups, run: Run, tmp_path: Path) -> None:
    assert same(
        run(case(LETKF, neutral), tmp_path / "neutral"), run(case(LETKF), tmp_path / "none")
    )


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
    short = nml.merge(CASES[name], {"cycle": {"cycles": 200}})
    with (
        netCDF4.Dataset(run(short, tmp_path / "without")) as without,
        netCDF4.Dataset(run(nml.merge(short, neutral), tmp_path / "neutral")) as other,
    ):
        for variable in without.variables:
            np.testing.assert_array_equal(without[variable][:], other[variable][:])


@pytest.mark.parametrize("scheme", ["var4d", "ienks"])
def test_weights_of_separate_windows_are_one(scheme: str, run: Run, tmp_path: Path) -> None:
    """Where windows do not overlap, multiple data assimilation is single."""
    group = {"var4d": "variational", "ienks": "ienks"}[scheme]
    single = nml.merge(CASES[scheme], {group: {"window": 3, "shift": 3}, "cycle": {"cycles": 201}})
    multiple = nml.merge(single, {group: {"multiple": True}})
    with (
        netCDF4.Dataset(run(single, tmp_path / "single")) as one,
        netCDF4.Dataset(run(multiple, tmp_path / "multiple")) as other,
    ):
        for variable in one.variables:
            np.testing.assert_array_equal(one[variable][:], other[variable][:])


def test_between_analyses_the_state_is_the_forecast(run: Run, tmp_path: Path) -> None:
    """Observations of these cycles have met it, and have an analysis of a later cycle."""
    groups = nml.merge(CASES["ienks"], {"ienks": {"shift": 2}, "cycle": {"cycles": 200}})
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
        for name in filtered.variables:
            np.testing.assert_array_equal(filtered[name][:], smoothed[name][:])
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


def test_weights_at_every_point_change_no_bit(run: Run, tmp_path: Path) -> None:
    neutral = case(LETKF, {"letkf": {"weights_every": 1}})
    assert same(run(neutral, tmp_path / "neutral"), run(case(LETKF), tmp_path / "none"))


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


def test_impact_changes_no_bit_of_the_rest(run: Run, tmp_path: Path) -> None:
    """It is looked at only; with `every = 0` nothing is added."""
    judged = with_points("impact", 40)
    plain = {name: group for name, group in judged.items() if name != "impact"}
    with (
        netCDF4.Dataset(run(plain, tmp_path / "without")) as without,
        netCDF4.Dataset(run(judged, tmp_path / "with")) as other,
    ):
        assert set(without.variables) < set(other.variables)
        for name in without.variables:
            np.testing.assert_array_equal(without[name][:], other[name][:])
    nothing = nml.merge(plain, {"impact": {"every": 0}})
    assert same(run(nothing, tmp_path / "nothing"), tmp_path / "without" / "run.nc")


def test_no_limit_and_a_limit_out_of_reach_change_no_bit(run: Run, tmp_path: Path) -> None:
    far = case(LETKF, {"observations": {"gross_error_limit": 1e6}})
    with (
        netCDF4.Dataset(run(case(LETKF), tmp_path / "none")) as without,
        netCDF4.Dataset(run(far, tmp_path / "far")) as limited,
    ):
        np.testing.assert_array_equal(without["analysis_mean"][:], limited["analysis_mean"][:])


@pytest.mark.parametrize(
    "neutral",
    [
        {"quality_control": {"weighting": "none"}},
        {"thinning": {"spacing": 0.5}},
        {"superobbing": {"width": 0.5}},
        {"quality_control": {"weighting": "huber", "huber_limit": 1e6}},
    ],
    ids=str,
)
def test_treatments_without_effect_change_no_bit(neutral: Groups, run: Run, tmp_path: Path) -> None:
    with (
        netCDF4.Dataset(run(case(LETKF), tmp_path / "none")) as without,
        netCDF4.Dataset(run(case(LETKF, neutral), tmp_path / "neutral")) as treated,
    ):
        for name in ("analysis_mean", "analysis_sd", "obs_analysis", "obs_qc"):
            np.testing.assert_array_equal(without[name][:], treated[name][:])
