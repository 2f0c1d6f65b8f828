"""Runs that must agree with each other because of what their settings mean."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest

from dacycle import namelist as nml

Groups = dict[str, dict[str, Any]]
Run = Callable[..., Path]

CYCLES = 20
ROUNDING = 1e-10
"""Of states of size 10: errors of 1e-15 a cycle, grown by the flow for a time unit."""

EXACT = 1e-12

SHORT: Groups = {"cycle": {"cycles": CYCLES, "burn_in": 5}, "ensemble": {"members": 12}}
NO_INFLATION: Groups = {"inflation": {"prior": 1.0, "posterior": 1.0}}
FIELDS = ("truth", "background_mean", "background_sd", "analysis_mean", "analysis_sd")


@pytest.fixture
def difference(run: Run, tmp_path: Path) -> Callable[[Groups, Groups], float]:
    """`difference(groups, others)`: the largest difference of the fields of two runs."""

    def compare(groups: Groups, others: Groups) -> float:
        with (
            netCDF4.Dataset(run(nml.merge(SHORT, groups), tmp_path / "one")) as one,
            netCDF4.Dataset(run(nml.merge(SHORT, others), tmp_path / "other")) as other,
        ):
            return max(float(np.abs(one[name][:] - other[name][:]).max()) for name in FIELDS)

    return compare


@pytest.mark.parametrize(
    "name", ["letkf", "etkf", "stochastic_enkf", "ensrf", "eakf", "local_particle_filter"]
)
def test_without_observations_and_inflation_a_filter_is_the_free_run(
    name: str, difference: Callable[[Groups, Groups], float]
) -> None:
    rejecting: Groups = {
        "cycle": {"analysis": name},
        "observations": {"gross_error_limit": 1e-9},
    }
    if name in {"letkf", "etkf", "ensrf"}:
        rejecting[name] = {"rotation": False}
    free = {"cycle": {"analysis": "none"}}
    assert difference(nml.merge(rejecting, NO_INFLATION), free) < ROUNDING


def test_without_localisation_the_letkf_is_the_etkf(
    difference: Callable[[Groups, Groups], float],
) -> None:
    letkf = {
        "cycle": {"analysis": "letkf"},
        "letkf": {"rotation": False},
        "localisation": {"radius": 100.0, "taper": "boxcar"},
    }
    etkf = {"cycle": {"analysis": "etkf"}, "etkf": {"rotation": False}}
    assert difference(letkf, etkf) < ROUNDING


@pytest.mark.parametrize("name", ["ensrf", "eakf"])
def test_one_observation_tells_all_square_root_filters_the_same(
    name: str, difference: Callable[[Groups, Groups], float]
) -> None:
    """Then there is one gain and one analysis covariance; members may be turned, so one cycle."""
    one: Groups = {
        "cycle": {"cycles": 1, "burn_in": 0},
        "observations": {"positions": [17.3]},
    }
    serial: Groups = {"cycle": {"analysis": name}, "localisation": {"taper": "none"}}
    if name == "ensrf":
        serial[name] = {"rotation": False}
    etkf = {"cycle": {"analysis": "etkf"}, "etkf": {"rotation": False}}
    assert difference(nml.merge(serial, one), nml.merge(etkf, one)) < EXACT


@pytest.mark.parametrize("name", ["ensrf", "eakf"])
def test_without_localisation_a_serial_filter_has_the_etkf_mean_and_spread(
    name: str, difference: Callable[[Groups, Groups], float]
) -> None:
    serial: Groups = {"cycle": {"analysis": name}, "localisation": {"taper": "none"}}
    one_cycle: Groups = {"cycle": {"cycles": 1, "burn_in": 0}}
    etkf = {"cycle": {"analysis": "etkf"}}
    assert difference(nml.merge(serial, one_cycle), nml.merge(etkf, one_cycle)) < ROUNDING


def test_no_taper_is_a_boxcar_over_the_whole_circle(
    difference: Callable[[Groups, Groups], float],
) -> None:
    everywhere = {"localisation": {"radius": 100.0, "taper": "boxcar"}}
    assert difference({"localisation": {"taper": "none"}}, everywhere) == 0


def test_a_rotation_changes_neither_mean_nor_spread_at_once(run: Run, tmp_path: Path) -> None:
    """Only the first analysis is alike: the next forecasts start from other members."""
    turned = run(
        nml.merge(SHORT, {"etkf": {"rotation": True}, "cycle": {"analysis": "etkf"}}),
        tmp_path / "1",
    )
    straight = run(
        nml.merge(SHORT, {"etkf": {"rotation": False}, "cycle": {"analysis": "etkf"}}),
        tmp_path / "2",
    )
    with netCDF4.Dataset(turned) as one, netCDF4.Dataset(straight) as other:
        for name in ("analysis_mean", "analysis_sd"):
            np.testing.assert_allclose(one[name][0], other[name][0], atol=ROUNDING)
            assert np.abs(one[name][-1] - other[name][-1]).max() > 1e-3


def test_exact_observations_give_the_truth(run: Run, tmp_path: Path) -> None:
    """With more members than points and tiny errors the analysis is the observed truth."""
    groups = nml.merge(
        SHORT,
        {
            "cycle": {"analysis": "etkf"},
            "lorenz96": {"n": 6},
            "ensemble": {"members": 20},
            "observations": {"error_sd": 1e-3},
            "inflation": {"posterior": 1.1},
        },
    )
    with netCDF4.Dataset(run(groups, tmp_path)) as file:
        assert file["analysis_rmse"][:].max() < 2e-3
        assert file["background_rmse"][0] > 1


def test_a_position_is_the_points_it_lies_on(
    difference: Callable[[Groups, Groups], float],
) -> None:
    """A list of positions, and the same ones by stride and offset."""
    listed = {"observations": {"positions": [0.5, 2.5, 4.5, 6.5]}, "lorenz96": {"n": 8}}
    strided = {"observations": {"stride": 2.0, "offset": 0.5}, "lorenz96": {"n": 8}}
    assert difference(listed, strided) == 0


@pytest.mark.parametrize("group", ["lorenz96_cubic", "truth_lorenz96_cubic"])
def test_a_group_for_the_truth_alone_may_bear_the_models_name(
    group: str, difference: Callable[[Groups, Groups], float]
) -> None:
    """Where only the truth has that model, both names mean the same, and neither is ignored."""
    truth: Groups = {"truth": {"model": "lorenz96_cubic"}}
    asked = nml.merge(truth, {group: {"forcing": 9.0}})
    assert difference(asked, nml.merge(truth, {"truth_lorenz96_cubic": {"forcing": 9.0}})) == 0
    assert difference(asked, truth) > 0
