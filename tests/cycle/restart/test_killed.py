"""A run that was killed goes on, on any number of ranks, to the bytes of one that was not."""

import filecmp
from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest

from dacycle import namelist as nml

Groups = dict[str, dict[str, Any]]
Run = Callable[..., Path]
Finished = Callable[[Groups], None]

REPOSITORY = Path(__file__).parents[3]

KILLED_AFTER = 100
"""Cycles of the checkpoint at which a run is killed; there are five times as many."""

COMMON: Groups = {
    "cycle": {"cycles": 500, "burn_in": 100, "analysis": "letkf"},
    "ensemble": {"members": 10},
    "checkpoint": {"every": 7},
}
CASES: dict[str, Groups] = {
    "letkf": {},
    "etkf": {"cycle": {"analysis": "etkf"}},
    "enkf_n": {"cycle": {"analysis": "enkf_n"}},
    "denkf": {"cycle": {"analysis": "denkf"}},
    "stochastic_enkf": {"cycle": {"analysis": "stochastic_enkf"}},
    "var4d": {"cycle": {"analysis": "var4d"}, "variational": {"window": 7}},
    "e4dvar": {"cycle": {"analysis": "e4dvar"}, "variational": {"window": 3}},
    "4denvar": {
        "cycle": {"analysis": "4denvar"},
        "variational": {"window": 4, "shift": 2},
    },
    "weak constraint": {
        "cycle": {"analysis": "var4d"},
        "variational": {"window": 5},
        "weak_constraint": {"forcings": "cycle", "memory": 0.5},
        "model_error": {"sd": 0.0, "truth_sd": 0.3},
    },
    "stochastic members of weak constraint": {
        "cycle": {"analysis": "var4d"},
        "variational": {"window": 3},
        "weak_constraint": {"forcings": "cycle", "memory": 0.3},
        "model_error": {"sd": 0.3, "truth_sd": 0.3},
    },
    "a constant forcing": {
        "cycle": {"analysis": "var4d"},
        "variational": {"window": 4},
        "weak_constraint": {"forcings": "constant", "memory": 1.0, "added": "steps"},
    },
    "smoothed letkf": {"smoother": {"lag": 6}},
    "impact": {
        "cycle": {"analysis": "var4d"},
        "ensemble": {"members": 1},
        "impact": {"every": 3, "lead": 0.3, "regions": [0, 19], "denial": True},
    },
    "diagnosed var4d": {
        "cycle": {"analysis": "var4d"},
        "variational": {"window": 3, "solver": "lanczos"},
        "ensemble": {"members": 1},
        "diagnostics": {"every": 4, "iterations": True, "hessian": "minimisation"},
    },
    "ienks": {"cycle": {"analysis": "ienks"}, "ienks": {"window": 5}},
    "var4d, shift 4": {
        "cycle": {"analysis": "var4d"},
        "variational": {"window": 4, "shift": 4},
        "ensemble": {"members": 2},
    },
    "ienks, multiple": {
        "cycle": {"analysis": "ienks"},
        "ienks": {"window": 5, "shift": 2, "multiple": True},
        "observations": {"stride": 1.7, "gross_error_limit": 3.0},
        "model_error": {"truth_sd": 0.1},
    },
    "kalman_second_order": {
        "cycle": {"analysis": "kalman_second_order"},
        "ensemble": {"members": 1},
        "kalman_second_order": {"reach": 12, "q": 0.001},
    },
    "kalman_second_order, window": {
        "cycle": {"analysis": "kalman_second_order"},
        "ensemble": {"members": 1},
        "kalman_second_order": {"window": 5},
    },
    "fgat": {
        "cycle": {"analysis": "var3d"},
        "variational": {"window": 5},
        "observations": {"network": "random_points", "probability": 0.7, "every": 2},
    },
    "ensrf": {"cycle": {"analysis": "ensrf"}, "localisation": {"radius": 2.5}},
    "eakf": {"cycle": {"analysis": "eakf"}},
    "local_particle_filter": {"cycle": {"analysis": "local_particle_filter"}},
    "noise": {"inflation": {"rtpp": 0.1, "rtps": 0.3, "additive": 0.05}},
    "adaptive inflation": {"adaptive_inflation": {"scheme": "miyoshi2011", "sd": 0.1}},
    "parameters": {
        "cycle": {"model": "lorenz96_forced"},
        "parameters": {"estimate": True, "scope": "local", "random_walk": 0.01, "minimum_sd": 0.1},
    },
    "bias": {
        "observations": {"bias": 0.5},
        "observation_bias": {"estimate": True, "random_walk": 0.01, "minimum_sd": 0.02},
    },
    "stochastic models": {"model_error": {"sd": 1.0, "truth_sd": 0.8, "correlation_length": 2.5}},
    "two scales": {"cycle": {"model": "lorenz96_two_scale"}},
    # A free run would be over too soon if it were not held up by checkpoints.
    "none": {"cycle": {"analysis": "none"}, "checkpoint": {"every": 3}},
    "climatology": {"cycle": {"analysis": "climatology"}, "checkpoint": {"every": 3}},
    "members": {"output": {"members_every": 5, "fields_every": 3}},
    "scores only": {"output": {"fields_every": 0, "feedback": False}},
    "other truth": {"truth_lorenz96": {"forcing": 8.3}, "observations": {"stride": 1.7}},
    "kinds": {"observations": {"kinds": ["average", "abs"], "average_half_width": 2.5}},
    "moving": {"observations": {"stride": 2.0, "drift": 1.3}},
    "random points": {"observations": {"network": "random_points", "probability": 0.7, "every": 2}},
    "correlated errors": {
        "observations": {"error_correlation_length": 2.5, "gross_error_share": 0.02}
    },
    "weights": {"quality_control": {"weighting": "huber", "huber_limit": 1.0}},
    "verification": {
        "verification": {
            "crps": True,
            "rank_histogram": True,
            "thresholds": [0.0, 5.0],
            "regions": [0, 19, 30, 5],
            "lead_times": [0.1, 1.0],
            "forecasts_every": 10,
        },
    },
    # It gives way in cycle 50, is tried again in cycle 250, and gives way again in 299.
    "a network with memory that gave way": {
        "cycle": {"analysis": "var3d"},
        "ensemble": {"members": 1, "initial": "truth", "initial_sd": 0.5},
        "networks": {
            "analysis": str(REPOSITORY / "models_export/dan_l96_memory.pt"),
            "fallback_limit": 0.1,
            "fallback_patience": 50,
            "fallback_duration": 200,
        },
    },
    "another place": {"checkpoint": {"file": "kept"}},
}


def case(name: str) -> Groups:
    return nml.merge(COMMON, CASES[name])


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [("letkf", 1, 3), ("letkf", 3, 2), *((name, 2, 1) for name in CASES)],
)
def test_a_killed_run_goes_on(
    name: str,
    before: int,
    after: int,
    unfinished: Callable[..., Path],
    run: Run,
    assert_finished: Finished,
    tmp_path: Path,
) -> None:
    unfinished(case(name), before, KILLED_AFTER)
    run(case(name), tmp_path, after, ["--restart"])
    assert_finished(case(name))


@pytest.mark.parametrize("moment", [1, 200, 350])
def test_killed_at_any_moment(
    moment: int,
    unfinished: Callable[..., Path],
    run: Run,
    assert_finished: Finished,
    tmp_path: Path,
) -> None:
    unfinished(case("letkf"), 2, moment)
    run(case("letkf"), tmp_path, 1, ["--restart"])
    assert_finished(case("letkf"))


def test_killed_before_the_first_checkpoint(
    begin: Callable[..., Any],
    files: Callable[[], set[str]],
    run: Run,
    assert_finished: Finished,
    tmp_path: Path,
) -> None:
    groups = nml.merge(case("letkf"), {"checkpoint": {"every": 450}})
    job = begin(groups, 2)
    job.wait_for((tmp_path / "run.nc.part").exists)
    job.kill()
    locks = {"run.nc.lock", "run.nc.checkpoint.lock"}
    assert files() == {"run.nml", "run.nc.part", *locks}
    run(groups, tmp_path, 1, ["--restart"])
    assert_finished(groups)


def test_killed_again_and_again(begin: Callable[..., Any], assert_finished: Finished) -> None:
    """With a checkpoint each cycle, a kill falls into the writing of one now and then."""
    groups = nml.merge(case("letkf"), {"checkpoint": {"every": 1}})
    done = 0
    for ranks in (1, 3, 2):
        job = begin(groups, ranks, "--restart")
        job.wait_for_checkpoint(done + 80)
        job.kill()
        assert job.cycle() >= done + 80
        done = job.cycle()
    status, output, _ = begin(groups, 2, "--restart").end()
    assert status == 0
    assert f"goes on after cycle {done} from run.nc.checkpoint" in output
    assert_finished(groups)


@pytest.mark.parametrize(
    ("scheme", "before", "after"), [({}, 2, 3), ({"analysis": "var4d"}, 1, 2)], ids=str
)
def test_input_from_files(
    scheme: dict[str, str],
    before: int,
    after: int,
    make_truth: Callable[..., Path],
    make_observations: Callable[..., Path],
    unfinished: Callable[..., Path],
    run: Run,
    files: Callable[[], set[str]],
    tmp_path: Path,
) -> None:
    cycles, n = 500, 8
    truth = 2.0 + np.cos(np.arange(cycles + 1)[:, None] / 5 + np.arange(n))
    value = truth[1:].ravel() + np.sin(np.arange(float(cycles * n)))
    value[::13] = np.nan
    make_truth(records=cycles + 1, n=n, state=truth)
    make_observations(cycles=cycles, n=n, value=value)
    groups = nml.merge(
        COMMON,
        {
            "lorenz96": {"n": n},
            "truth": {"source": "file", "file": str(tmp_path / "truth.nc")},
            "observations": {"source": "file", "file": str(tmp_path / "observations.nc")},
            "checkpoint": {"every": 3},
            "cycle": scheme,
        },
    )
    if scheme:
        windows = {"window": 4, "shift": 2, "multiple": True}
        groups = nml.merge(groups, {"variational": windows})
    unfinished(groups, before, KILLED_AFTER)
    found = run(groups, tmp_path, after, ["--restart"])
    assert files() == {"run.nml", "run.nc", "truth.nc", "observations.nc"}
    assert filecmp.cmp(found, run(groups, tmp_path / "uninterrupted"), shallow=False)


def test_a_killed_run_can_begin_anew(
    unfinished: Callable[..., Path], run: Run, assert_finished: Finished, tmp_path: Path
) -> None:
    """`--fresh` takes nothing from the run before: not its settings either."""
    unfinished(nml.merge(case("letkf"), {"cycle": {"seed": 99}}), 2)
    run(case("letkf"), tmp_path, 1, ["--fresh"])
    assert_finished(case("letkf"))


@pytest.mark.parametrize("option", ["--restart", "--fresh"])
def test_without_a_checkpoint_a_run_begins_at_the_beginning(
    option: str, run: Run, assert_finished: Finished, tmp_path: Path
) -> None:
    run(case("letkf"), tmp_path, 1, [option])
    assert_finished(case("letkf"))


def test_other_checkpoints_may_follow(
    unfinished: Callable[..., Path], run: Run, tmp_path: Path
) -> None:
    """How often checkpoints are made is no property of the result."""
    unfinished(case("letkf"), 1)
    done = run(nml.merge(case("letkf"), {"checkpoint": {"every": 0}}), tmp_path, 1, ["--restart"])
    whole = run(case("letkf"), tmp_path / "uninterrupted")
    with netCDF4.Dataset(done) as one, netCDF4.Dataset(whole) as other:
        np.testing.assert_array_equal(one["analysis_mean"][:], other["analysis_mean"][:])


def test_a_study_goes_on(unfinished: Callable[..., Path], run: Run, tmp_path: Path) -> None:
    """Analyses after the checkpoint are written again, in their place."""
    study = {"points": [3, 30], "every": 3, "file": "study.nc"}
    groups = nml.merge(COMMON, {"study": study})
    unfinished(groups, 2, KILLED_AFTER)
    assert (tmp_path / "study.nc.part").exists()
    run(groups, tmp_path, 3, ["--restart"])
    run(groups, tmp_path / "uninterrupted")
    assert filecmp.cmp(tmp_path / "study.nc", tmp_path / "uninterrupted/study.nc", shallow=False)
    assert not (tmp_path / "study.nc.part").exists()
