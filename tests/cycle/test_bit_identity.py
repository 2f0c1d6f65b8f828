"""The same namelist gives the same output file, byte for byte, on any number of ranks."""

import filecmp
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, reduce
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

SHORT: Groups = {"cycle": {"cycles": 300}}
"""What sends hundreds of messages a cycle: 15 time units and more, e^25-fold."""

NARROW = 13
"""Points: on 5 ranks slabs of 2 and 3, narrower than a halo."""

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


REACHES = {
    "analysis": "one of the schemes, which are run on all layouts",
    "weights": "weights of the local filter from beyond the slab, or further than its radius",
    "observations": "beyond the slab, on other ranks each cycle, or with errors shared with theirs",
    "treatment": "what observations go through together with those of other ranks",
    "carried": "more than the ensemble goes on from cycle to cycle, or noise reaches far",
    "window": "observations of several cycles at once",
    "judged": "what judges a run reaches beyond the slab to do so",
}
"""What of a case goes beyond the points of a rank."""


@dataclass(frozen=True)
class Case:
    """A namelist, and what of it goes beyond the points of a rank: a key of `REACHES`, if any."""

    groups: Groups
    reaches: str = ""

    def __post_init__(self) -> None:
        assert self.reaches in {"", *REACHES}

    def layouts(self) -> list[tuple[int, int]]:
        """Points and ranks on which the file must be that of one rank.

        42 points on 4 ranks are slabs of two sizes, and ranks that are no neighbours; on 2 the
        neighbours on both sides are one. On the narrow circle the localisation reaches all round.
        """
        found = [(42, 4)]
        if self.reaches:
            found.append((NARROW, 5))
        if self.reaches == "analysis":
            found += [(42, 2), (42, 3)]
        return found


def case(*parts: Groups, reaches: str = "") -> Case:
    return Case(reduce(nml.merge, parts, COMMON), reaches)


CASES: dict[str, Case] = {
    "letkf": case(LETKF, reaches="analysis"),
    "etkf": case({"cycle": {"analysis": "etkf"}, "ensemble": {"members": 24}}, reaches="analysis"),
    "smoothed etkf": case(
        {"cycle": {"analysis": "etkf"}, "ensemble": {"members": 24}, "smoother": {"lag": 5}},
        BIASED,
    ),
    "smoothed letkf": case(LETKF, {"smoother": {"lag": 4}, "letkf": {"weights_every": 3}}),
    "smoothed eakf": case(
        {"cycle": {"analysis": "eakf"}, "ensemble": {"members": 10}, "smoother": {"lag": 3}}
    ),
    "stochastic_enkf": case(
        {"cycle": {"analysis": "stochastic_enkf"}, "ensemble": {"members": 24}},
        reaches="analysis",
    ),
    "enkf_n": case(
        {"cycle": {"analysis": "enkf_n"}, "ensemble": {"members": 24}}, reaches="analysis"
    ),
    "denkf": case(
        {"cycle": {"analysis": "denkf"}, "ensemble": {"members": 24}}, reaches="analysis"
    ),
    "ensrf": case(
        {"cycle": {"analysis": "ensrf"}, "ensemble": {"members": 10}}, reaches="analysis"
    ),
    "eakf": case({"cycle": {"analysis": "eakf"}, "ensemble": {"members": 10}}, reaches="analysis"),
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
        reaches="analysis",
    ),
    "mapped particles": case(
        {"cycle": {"analysis": "local_particle_filter", "cycles": 300}},
        {"local_particle_filter": {"kddm": True}, "ensemble": {"members": 10}},
    ),
    "var3d": case({"cycle": {"analysis": "var3d"}, "ensemble": {"members": 1}}, reaches="analysis"),
    "impact": case(
        {"cycle": {"analysis": "var4d"}}, IMPACT, {"variational": {"window": 2}}, reaches="judged"
    ),
    "impact of var3d": case({"cycle": {"analysis": "var3d"}}, IMPACT),
    "ensemble of var3d": case(
        {"cycle": {"analysis": "var3d"}, "ensemble": {"members": 4}},
        {"background": {"covariance": "homogeneous", "sd": 0.6}, "variational": {"outer_loops": 2}},
        {"observations": {"stride": 1.7, "offset": 0.3, "gross_error_limit": 3.0}},
        SHORT,
        reaches="analysis",
    ),
    "var4d": case(
        {"cycle": {"analysis": "var4d", "interval": 0.1}, "ensemble": {"members": 1}},
        {"variational": {"window": 3, "outer_loops": 2}, "background": {"factor": 0.005}},
        SHORT,
        reaches="analysis",
    ),
    "hybrid ensemble of var4d": case(
        {"cycle": {"analysis": "var4d", "cycles": 400}, "ensemble": {"members": 6}},
        {"hybrid": {"weight": 0.5, "inflation": 1.1}, "localisation": {"radius": 3.0}},
        {"variational": {"window": 2}, "background": {"covariance": "diagonal", "sd": 0.3}},
        {"observations": {"stride": 1.7, "offset": 0.3, "gross_error_limit": 3.0}},
        reaches="analysis",
    ),
    "e3dvar": case(
        {"cycle": {"analysis": "e3dvar"}, "ensemble": {"members": 10}},
        {"background": {"factor": 0.003}, "inflation": {"rtps": 0.3, "rtpp": 0.1}},
        {"localisation": {"taper": "exponential"}, "hybrid": {"weight": 0.7}},
        SHORT,
        reaches="analysis",
    ),
    "e4dvar": case(
        {"cycle": {"analysis": "e4dvar", "interval": 0.1}, "ensemble": {"members": 10}},
        {"variational": {"window": 3, "outer_loops": 2}, "background": {"factor": 0.005}},
        SHORT,
        reaches="analysis",
    ),
    "e4dvar, global": case(
        {"cycle": {"analysis": "e4dvar"}, "ensemble": {"members": 20}},
        {"hybrid": {"weight": 1.0, "filter": "etkf"}, "localisation": {"taper": "none"}},
        {"variational": {"window": 2}},
        SHORT,
        reaches="analysis",
    ),
    "4denvar": case(
        {"cycle": {"analysis": "4denvar"}, "ensemble": {"members": 10}},
        {"variational": {"window": 4, "shift": 2, "outer_loops": 2}},
        {"background": {"factor": 0.003}},
        {"hybrid": {"weight": 0.8, "filter": "ensrf"}, "localisation": {"radius": 4.0}},
        {"observations": {"stride": 1.3}},
        SHORT,
        reaches="analysis",
    ),
    "weak constraint": case(
        {"cycle": {"analysis": "var4d", "interval": 0.1}, "ensemble": {"members": 1}},
        {"variational": {"window": 3, "outer_loops": 2}, "background": {"factor": 0.005}},
        {"weak_constraint": {"forcings": "cycle", "sd": 0.2, "memory": 0.5, "added": "steps"}},
        {"model_error": {"truth_sd": 0.5}},
        SHORT,
    ),
    "a constant forcing": case(
        {"cycle": {"analysis": "var4d", "interval": 0.1}, "ensemble": {"members": 1}},
        {"variational": {"window": 3}, "weak_constraint": {"forcings": "constant", "memory": 1.0}},
        {"weak_constraint": {"covariance": "homogeneous", "sd": 0.02, "length": 4.0}},
        {"truth_lorenz96": {"forcing": 8.5}, "observations": {"stride": 1.7}},
        SHORT,
    ),
    "stochastic members of weak constraint": case(
        {"cycle": {"analysis": "var4d", "cycles": 400}, "ensemble": {"members": 3}},
        {"variational": {"window": 2}, "model_error": {"sd": 0.5, "truth_sd": 0.5}},
        {"weak_constraint": {"forcings": "cycle", "covariance": "climatology", "factor": 1e-3}},
    ),
    "diagnosed var4d": case(
        {"cycle": {"analysis": "var4d", "interval": 0.1, "cycles": 150}},
        {"variational": {"window": 3, "outer_loops": 2, "solver": "lanczos"}},
        {"variational": {"preconditioner": "lanczos"}, "background": {"factor": 0.005}},
        {"ensemble": {"members": 1}, "observations": {"stride": 1.7, "offset": 0.3}},
        DIAGNOSTICS,
        reaches="judged",
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
        {"cycle": {"analysis": "ienks"}, "ensemble": {"members": 20}, "ienks": {"window": 4}},
        SHORT,
        reaches="analysis",
    ),
    "ienks-n, bundle": case(
        {"cycle": {"analysis": "ienks", "interval": 0.1}, "ensemble": {"members": 20}},
        {"ienks": {"window": 2, "variant": "bundle", "finite_size": True, "rotation": False}},
        SHORT,
    ),
    "var4d, shift 2": case(
        {"cycle": {"analysis": "var4d", "interval": 0.1}, "ensemble": {"members": 1}},
        {"variational": {"window": 4, "shift": 2}, "background": {"factor": 0.005}},
        {"observations": {"gross_error_limit": 3.0, "every": 2}},
        SHORT,
        reaches="window",
    ),
    "var4d, multiple": case(
        {"cycle": {"analysis": "var4d", "interval": 0.1, "cycles": 300}},
        {"variational": {"window": 5, "shift": 2, "multiple": True}, "ensemble": {"members": 3}},
        {"background": {"factor": 0.005}, "observations": {"stride": 1.7, "offset": 0.3}},
        reaches="window",
    ),
    "fgat": case(
        {"cycle": {"analysis": "var3d"}, "ensemble": {"members": 2}},
        {"variational": {"window": 4}, "background": {"factor": 0.05}},
        {"observations": {"stride": 1.7, "offset": 0.3, "gross_error_limit": 3.0}},
        SHORT,
        reaches="window",
    ),
    "ienks, shift 2": case(
        {"cycle": {"analysis": "ienks"}, "ensemble": {"members": 20}},
        {"ienks": {"window": 4, "shift": 2}},
        {"observations": {"network": "random_points", "probability": 0.7}},
        SHORT,
        reaches="window",
    ),
    "ienks, multiple": case(
        {"cycle": {"analysis": "ienks", "cycles": 600}, "ensemble": {"members": 20}},
        {"ienks": {"window": 4, "shift": 2, "multiple": True}},
        {"observations": {"error_correlation_length": 2.0, "gross_error_limit": 3.0}},
        reaches="window",
    ),
    "kalman_second_order": case(
        {"cycle": {"analysis": "kalman_second_order"}, "ensemble": {"members": 1}},
        reaches="analysis",
    ),
    "bands of a covariance": case(
        {"cycle": {"analysis": "kalman_second_order"}, "ensemble": {"members": 1}},
        {"kalman_second_order": {"reach": 5, "q": 0.05, "order": 1, "inflation": 1.01}},
        {"observations": {"stride": 0.7, "offset": 0.3, "gross_error_limit": 3.0}},
        SHORT,
        reaches="analysis",
    ),
    "a window of one state": case(
        {"cycle": {"analysis": "kalman_second_order"}, "ensemble": {"members": 1}},
        {"kalman_second_order": {"window": 4, "reach": 9, "q": 0.02}},
        {"observations": {"gross_error_limit": 3.0, "every": 2}},
        SHORT,
        reaches="analysis",
    ),
    "a covariance of averages": case(
        {"cycle": {"analysis": "kalman_second_order", "model": "lorenz96_cubic"}},
        {"ensemble": {"members": 1}, "kalman_second_order": {"reach": 9, "q": 0.02}},
        {"observations": {"kinds": ["average", "value", "log"], "average_half_width": 2.3}},
        SHORT,
        reaches="observations",
    ),
    "climatology": case(
        {"cycle": {"analysis": "climatology"}, "ensemble": {"members": 10}}, reaches="analysis"
    ),
    "none": case({"cycle": {"analysis": "none"}, "ensemble": {"members": 10}}, reaches="analysis"),
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
        reaches="observations",
    ),
    "averages": case(
        LETKF,
        {"observations": {"kinds": "average", "average_half_width": 6.5}},
        reaches="observations",
    ),
    "curved averages": case(
        LETKF,
        {"observations": {"kinds": ["average", "value"], "average_curve": "power"}},
        reaches="observations",
    ),
    "a moving network": case(
        LETKF,
        {"observations": {"stride": 2.0, "drift": 1.3, "kinds": ["value", "abs", "square"]}},
        reaches="observations",
    ),
    "random positions": case(
        LETKF,
        {"observations": {"network": "random_positions", "count": 25, "every": 2}},
        reaches="observations",
    ),
    "random points": case(
        LETKF,
        {"observations": {"network": "random_points", "probability": 0.7}},
        reaches="observations",
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
        LETKF,
        {"observations": {"error_correlation_length": 2.5, "stride": 0.7}},
        reaches="observations",
    ),
    "wider than the circle": case(LETKF, {"localisation": {"radius": 30.0, "taper": "boxcar"}}),
    "interpolated weights": case(
        LETKF,
        {"letkf": {"weights_every": 3}, "observations": {"stride": 1.7, "offset": 0.3}},
        reaches="weights",
    ),
    "adaptive radius": case(
        LETKF,
        {
            "letkf": {"effective_observations": 6.0, "radius_maximum": 9.0},
            "localisation": {"radius": 2.0},
            "observations": {"stride": 1.7, "gross_error_limit": 2.5},
        },
        reaches="weights",
    ),
    "gross errors": case(LETKF, {"observations": {"gross_error_limit": 2.5}}),
    "huber": case(LETKF, {"quality_control": {"weighting": "huber", "huber_limit": 0.8}}),
    "varqc": case(LETKF, {"quality_control": {"weighting": "varqc", "gross_probability": 0.2}}),
    "whitened": case(
        LETKF,
        {"observations": {"error_correlation_length": 2.0, "stride": 1.7, "offset": 0.3}},
        reaches="treatment",
    ),
    "thinning": case(
        LETKF, {"observations": {"stride": 0.45}, "thinning": {"spacing": 1.7}}, reaches="treatment"
    ),
    "superobservations": case(
        LETKF,
        {
            "observations": {"stride": 0.45},
            "superobbing": {"width": 2.3, "error_factor": 1.5},
            "quality_control": {"weighting": "huber", "huber_limit": 1.0},
        },
        reaches="treatment",
    ),
    "superobservations, perturbed": case(
        {"cycle": {"analysis": "stochastic_enkf"}, "ensemble": {"members": 24}},
        {"observations": {"stride": 0.3}, "superobbing": {"width": 2.3}},
        reaches="treatment",
    ),
    "members": case(LETKF, {"output": {"members_every": 100, "fields_every": 7}}),
    "model error": case(LETKF, {"truth_lorenz96": {"forcing": 8.5, "dt": 0.025}}),
    "relaxation and noise": case(
        LETKF, {"inflation": {"prior": 1.01, "rtpp": 0.1, "rtps": 0.3, "additive": 0.05}}
    ),
    "adaptive inflation": case(
        LETKF, ADAPTIVE, {"observations": {"stride": 1.7}}, reaches="carried"
    ),
    "adaptive inflation of a global filter": case(
        {"cycle": {"analysis": "etkf"}, "ensemble": {"members": 24}}, ADAPTIVE
    ),
    "the same adaptive inflation everywhere": case(
        LETKF, ADAPTIVE, {"adaptive_inflation": {"radius": 0.0}}
    ),
    "a parameter": case(
        LETKF,
        FORCED,
        {"parameters": {"estimate": True, "first_guess": 7.0, "random_walk": 0.01}},
        reaches="carried",
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
        reaches="carried",
    ),
    "a bias": case(LETKF, BIASED, reaches="carried"),
    "a bias of a global filter": case(
        {"cycle": {"analysis": "etkf"}, "ensemble": {"members": 24}}, BIASED
    ),
    "all that can be estimated": case(
        LETKF,
        FORCED,
        ADAPTIVE,
        BIASED,
        {"parameters": {"estimate": True}},
        reaches="carried",
    ),
    "stochastic models": case(
        LETKF,
        {"model_error": {"sd": 1.0, "truth_sd": 0.8, "correlation_length": 2.5}},
        reaches="carried",
    ),
    "cubic term": case(
        LETKF, {"cycle": {"model": "lorenz96_cubic"}, "truth": {"model": "lorenz96"}}
    ),
    "two scales": case(LETKF, {"cycle": {"model": "lorenz96_two_scale", "cycles": 300}}),
    "start from the truth": case(LETKF, {"ensemble": {"initial": "truth", "initial_sd": 0.5}}),
    "verification": case(LETKF, VERIFICATION, reaches="judged"),
    "verification of two scales": case(
        LETKF,
        VERIFICATION,
        {"cycle": {"model": "lorenz96_two_scale", "cycles": 300}},
    ),
    "nothing but scores": case(LETKF, {"output": {"fields_every": 0, "feedback": False}}),
}

LAYOUTS = [
    *((name, *layout) for name, one in CASES.items() for layout in one.layouts()),
    # Ranks share the blocks on their borders, others are theirs alone.
    ("eakf in two blocks", 400, 3),
    ("eakf in two blocks", 400, 4),
]


@pytest.fixture(scope="module")
def on_one_rank(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], Path]:
    """`on_one_rank(name, n)`: the output of a case of `n` points, run once."""

    @cache
    def output(name: str, n: int) -> Path:
        return run(with_points(name, n), tmp_path_factory.mktemp("one"))

    return output


def with_points(name: str, n: int) -> Groups:
    """The case on a circle of n points; on a narrow one slabs exchange more, in fewer cycles."""
    groups = CASES[name].groups
    changes: Groups = {groups["cycle"].get("model", "lorenz96"): {"n": n}}
    if "truth" in groups:
        changes[f"truth_{groups['truth']['model']}"] = {"n": n}
    if n == NARROW:
        cycles = min(groups["cycle"]["cycles"], SHORT["cycle"]["cycles"])
        changes["cycle"] = {"cycles": cycles}
    return nml.merge(groups, changes)


def same(path: Path, other: Path) -> bool:
    return filecmp.cmp(path, other, shallow=False)


@pytest.mark.parametrize(("name", "n", "ranks"), LAYOUTS)
def test_ranks_change_no_bit(
    name: str,
    n: int,
    ranks: int,
    on_one_rank: Callable[[str, int], Path],
    run: Run,
    tmp_path: Path,
) -> None:
    assert same(run(with_points(name, n), tmp_path, ranks), on_one_rank(name, n))


@pytest.mark.parametrize("name", [name for name, one in CASES.items() if one.reaches == "analysis"])
def test_runs_are_chaotic_and_differ_with_the_seed(
    name: str, on_one_rank: Callable[[str, int], Path], run: Run, tmp_path: Path
) -> None:
    """Else the tests above could not fail."""
    other = nml.merge(with_points(name, NARROW), {"cycle": {"seed": 8}})
    assert not same(run(other, tmp_path), on_one_rank(name, NARROW))


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
