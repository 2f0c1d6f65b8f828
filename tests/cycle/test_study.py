"""The study of local analyses: its file holds what a plain LETKF computes from the members."""

import filecmp
from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray as xr

from dacycle import namelist as nml
from dacycle.model.lorenz96 import step

Groups = dict[str, dict[str, Any]]
Run = Callable[..., Path]
Refused = Callable[..., str]

N, MEMBERS, CYCLES = 20, 7, 30
RADIUS = 2.0
FILE = "study.nc"
STUDY: Groups = {
    "cycle": {"cycles": CYCLES, "burn_in": 5, "analysis": "letkf"},
    "lorenz96": {"n": N},
    "ensemble": {"members": MEMBERS, "initial": "truth", "initial_sd": 0.5},
    "observations": {"stride": 1.7, "offset": 0.3},
    "localisation": {"radius": RADIUS},
    "study": {"points": [0, 7, 19], "cycles": [2, 9, 30], "file": FILE},
}
PLAIN: Groups = {
    "letkf": {"rotation": False},
    "inflation": {"posterior": 1.0},
    "output": {"members_every": 1},
}
VARIED: dict[str, Groups] = {
    "as it is": {},
    "inflation and rejections": {
        "inflation": {"prior": 1.03, "posterior": 1.02, "rtpp": 0.2, "rtps": 0.3, "additive": 0.1},
        "observations": {"gross_error_limit": 1.0},
    },
    "interpolated weights": {"letkf": {"weights_every": 2}, "study": {"points": [0, 8, 18]}},
    "adaptive radius": {
        "letkf": {"effective_observations": 4.5, "radius_maximum": 5.0},
        "localisation": {"radius": 1.0},
    },
    "two scales": {"cycle": {"model": "lorenz96_two_scale"}, "lorenz96_two_scale": {"n": N}},
    "every so many cycles": {"study": {"cycles": None, "every": 7}},
}


def varied(name: str) -> Groups:
    groups = nml.merge(STUDY, VARIED[name])
    if name == "two scales":
        del groups["lorenz96"]
    if groups["study"].get("cycles", 0) is None:
        del groups["study"]["cycles"]
    return groups


def gaspari_cohn(r: np.ndarray) -> np.ndarray:
    """Gaspari & Cohn (1999), eq. 4.10."""
    near = -(r**5) / 4 + r**4 / 2 + 5 * r**3 / 8 - 5 * r**2 / 3 + 1
    with np.errstate(divide="ignore"):
        far = r**5 / 12 - r**4 / 2 + 5 * r**3 / 8 + 5 * r**2 / 3 - 5 * r + 4 - 2 / (3 * r)
    return np.where(r <= 1, near, np.where(r < 2, far, 0.0))


def test_a_study_is_what_a_plain_filter_computes(run: Run, tmp_path: Path) -> None:
    """From the members of the cycle before, the model and the observations, with numpy."""
    output = xr.open_dataset(run(nml.merge(STUDY, PLAIN), tmp_path))
    study = xr.open_dataset(tmp_path / FILE)
    assert study.cycle.values.tolist() == [2] * 3 + [9] * 3 + [30] * 3
    assert study.point.values.tolist() == [0, 7, 19] * 3
    for k in range(study.sizes["study"]):
        one = study.isel(study=k)
        cycle, point = int(one.cycle), int(one.point)
        x = step(output.analysis_members.values[cycle - 2], 8.0, 0.05)
        np.testing.assert_allclose(one.background_members[:, 0], x[:, point], atol=1e-12)
        seen = output.isel(observation=np.isclose(output.obs_time, 0.05 * cycle))
        distance = (seen.obs_position.values - point + N / 2) % N - N / 2
        order = np.argsort(distance)[np.abs(np.sort(distance)) < 2 * 1.82 * RADIUS]
        seen, distance = seen.isel(observation=order), distance[order]
        own = slice(int(one.first_observation), int(one.first_observation + one.observations))
        stored = study.isel(observation=own)
        assert stored.obs_row.values.tolist() == seen.obs_row.values.tolist()
        for name in ("position", "value", "background", "error_sd"):
            np.testing.assert_array_equal(stored[f"obs_{name}"], seen[f"obs_{name}"])
        taper = gaspari_cohn(np.abs(distance) / (1.82 * RADIUS))
        np.testing.assert_allclose(stored.obs_distance, distance, atol=1e-12)
        np.testing.assert_allclose(stored.obs_taper, taper, atol=1e-12)
        cell = seen.obs_position.values.astype(int)
        beyond = seen.obs_position.values - cell
        hx = (1 - beyond) * x[:, cell] + beyond * x[:, (cell + 1) % N]
        y = (hx - hx.mean(0)).T
        np.testing.assert_allclose(stored.obs_anomalies, y, atol=1e-12)
        innovation = (seen.obs_value - seen.obs_background).values
        np.testing.assert_allclose(stored.obs_innovation, innovation, atol=1e-13)
        y = y / np.sqrt(MEMBERS - 1)
        precision = taper / seen.obs_error_sd.values**2
        s = np.eye(MEMBERS) + (y.T * precision) @ y
        values, vectors = np.linalg.eigh(s)
        np.testing.assert_allclose(one.eigenvalues, values, rtol=1e-11)
        influence = y @ np.linalg.inv(s) @ (y.T * precision)
        assert float(one.signal_freedom) == pytest.approx(np.trace(influence), rel=1e-11)
        assert float(one.effective_observations) == pytest.approx(taper.sum(), rel=1e-12)
        mean_weights = np.linalg.solve(s, y.T @ (precision * innovation)) / np.sqrt(MEMBERS - 1)
        transform = vectors @ np.diag(values**-0.5) @ vectors.T
        np.testing.assert_allclose(one.mean_weights, mean_weights, atol=1e-11)
        np.testing.assert_allclose(one.transform, transform, atol=1e-11)
        anomalies = x[:, point] - x[:, point].mean()
        analysis = x[:, point].mean() + anomalies @ (mean_weights[:, None] + transform)
        np.testing.assert_allclose(one.analysis_members[:, 0], analysis, atol=1e-11)
        dumped = output.analysis_members.values[cycle - 1, :, point]
        np.testing.assert_array_equal(one.analysis_members[:, 0], dumped)
        assert float(one.increment[0]) == pytest.approx(anomalies @ mean_weights, abs=1e-11)


@pytest.mark.parametrize("name", VARIED)
def test_a_study_agrees_with_the_filter(name: str, run: Run, tmp_path: Path) -> None:
    """To 1e-10; members and transform in the file belong together, rotation included."""
    run(varied(name), tmp_path)
    study = xr.open_dataset(tmp_path / FILE)
    assert study.sizes["study"] == (12 if name == "every so many cycles" else 9)
    assert float(study.difference.max()) < 1e-10
    background = study.background_members
    anomalies = background - background.mean("background_member")
    weights = study.mean_weights + study.transform
    analysis = background.mean("background_member") + (anomalies * weights).sum("background_member")
    np.testing.assert_allclose(
        study.analysis_members, analysis.transpose("study", "member", "component"), atol=1e-10
    )


def test_an_adaptive_radius_gives_what_is_wanted(run: Run, tmp_path: Path) -> None:
    """Twelve observations on the circle: 4.5 are within the bounds at these points."""
    run(varied("adaptive radius"), tmp_path)
    study = xr.open_dataset(tmp_path / FILE)
    np.testing.assert_allclose(study.effective_observations, 4.5, rtol=1e-8)


@pytest.mark.parametrize("name", VARIED)
def test_ranks_change_no_bit_of_a_study(name: str, run: Run, tmp_path: Path) -> None:
    run(varied(name), tmp_path / "one")
    run(varied(name), tmp_path / "five", 5)
    assert filecmp.cmp(tmp_path / "one" / FILE, tmp_path / "five" / FILE, shallow=False)


def test_a_study_changes_no_bit_of_the_run(run: Run, tmp_path: Path) -> None:
    without = {name: group for name, group in STUDY.items() if name != "study"}
    with (
        netCDF4.Dataset(run(STUDY, tmp_path / "with")) as studied,
        netCDF4.Dataset(run(without, tmp_path / "without")) as plain,
    ):
        for name in plain.variables:
            np.testing.assert_array_equal(studied[name][:], plain[name][:])


WRONG = {
    "no cycles": ("points = 3, file = 's.nc'", "&study cycles are needed points every"),
    "no file": ("points = 3, every = 2", "&study file is needed with points"),
    "no points": ("every = 2", "&study every is given without points"),
    "a file alone": ("file = 's.nc'", "&study file is given without points"),
    "both": ("points = 3, cycles = 1, every = 2, file = 's.nc'", "&study every one or the other"),
    "a fraction": ("points = 3.5, every = 2, file = 's.nc'", "&study points 3.5 integers"),
    "a point before the first": ("points = -1, every = 2, file = 's.nc'", "points -1.0 integers"),
    "not in order": ("points = 5, 3, every = 2, file = 's.nc'", "points 3 behind 5 ascend"),
    "off the circle": ("points = 40, every = 2, file = 's.nc'", "points = 40 last point is 39"),
    "after the end": ("points = 3, cycles = 7, file = 's.nc'", "&study none of its cycles 6"),
    "partly after the end": (
        "points = 3, cycles = 2, 7, file = 's.nc'",
        "&study cycles between 1 and cycles = 6",
    ),
    "too rare": ("points = 3, every = 7, file = 's.nc'", "&study none of its cycles 6"),
    "onto the output": ("points = 3, every = 2, file = 'run.nc'", "&study file 'run.nc' another"),
    "nowhere": ("points = 3, every = 2, file = 'no/s.nc'", "&study file 'no/s.nc' 'no'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_study_is_refused(name: str, refused: Refused) -> None:
    text, words = WRONG[name]
    refused(f"&cycle cycles = 6, burn_in = 2 /\n&study {text} /", words.split())


def test_other_filters_cannot_be_studied(refused: Refused) -> None:
    refused("&cycle analysis = 'etkf' /\n&study points = 3 /", ["line 2: &study", "not used"])


def test_points_between_coarse_ones_have_no_analysis_of_their_own(refused: Refused) -> None:
    text = "&letkf weights_every = 4 /\n&study points = 8, 9, every = 2, file = 's.nc' /"
    refused(text, ["&study points = 9", "weights_every = 4", "multiples"])
