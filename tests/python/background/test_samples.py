"""Samples of errors: against forecasts one by one, and against numbers that are known."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dacycle.background import Samples, climatology, deviations, differences
from dacycle.errors import BackgroundError
from dacycle.model import lorenz96
from dacycle.run_file import open_run

MakeRun = Callable[..., Path]


def namelist(
    *, analysis: str = "var3d", members: int = 1, model: str = "lorenz96", every: int = 1
) -> dict[str, str]:
    return {
        "namelist": f"&cycle\n interval = 0.05\n analysis = '{analysis}'\n model = '{model}'\n/\n"
        f"&ensemble\n members = {members}\n/\n&output\n fields_every = {every}\n/\n"
        "&lorenz96\n forcing = 8.0\n dt = 0.05\n/\n"
    }


def whole(samples: Samples) -> NDArray[np.float64]:
    fields = np.concatenate(list(samples.parts))
    assert fields.shape[0] == samples.records
    return fields


def forecast(x: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    for _ in range(steps):
        x = lorenz96.step(x, 8.0, 0.05)
    return x


@pytest.mark.parametrize(("every", "leads"), [(1, (0.0, 0.05)), (1, (0.2, 0.4)), (2, (0.05, 0.25))])
def test_differences_are_of_forecasts_valid_at_one_time(
    every: int, leads: tuple[float, float], make_run: MakeRun
) -> None:
    path = make_run(cycles=300, burn_in=50, fields_every=every, attributes=namelist(every=every))
    with open_run(path) as run:
        found = whole(differences(run, leads))[:, 0]
        analyses = run["analysis_mean"].values
        times = run["field_time"].values
    first = np.flatnonzero(times > 50 * 0.05 + 1e-9)[0]
    apart = round((leads[1] - leads[0]) / (0.05 * every))
    steps = [round(lead / 0.05) for lead in leads]
    assert len(found) == len(times) - first - apart
    for k in (0, 7, len(found) - 1):
        older, newer = first + k, first + k + apart
        assert times[older] + leads[1] == pytest.approx(times[newer] + leads[0])
        expected = forecast(analyses[older], steps[1]) - forecast(analyses[newer], steps[0])
        np.testing.assert_array_equal(found[k], expected)


def test_parts_are_the_whole(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_run(attributes=namelist())
    with open_run(path) as run:
        at_once = whole(differences(run, (0.1, 0.2)))
        monkeypatch.setattr("dacycle.background.samples.VALUES_AT_ONCE", 40 * 17)
        np.testing.assert_array_equal(whole(differences(run, (0.1, 0.2))), at_once)


@pytest.mark.parametrize(
    ("leads", "words"),
    [
        ((0.4, 0.2), "the first must be the shorter"),
        ((0.2, 0.2), "the first must be the shorter"),
        ((0.0, 0.07), "0.07: must be a whole multiple of the fields' distance, 0.05"),
        ((0.02, 0.12), "0.02: must be a whole multiple of the model's dt, 0.05"),
        ((0.0, 50.0), "250 fields after burn-in are too few"),
    ],
)
def test_leads_that_do_not_fit(leads: tuple[float, float], words: str, make_run: MakeRun) -> None:
    path = make_run(attributes=namelist())
    with open_run(path) as run, pytest.raises(BackgroundError, match=words):
        differences(run, leads)


def test_forecasts_need_the_model(make_run: MakeRun) -> None:
    path = make_run(attributes=namelist(model="lorenz96_cubic"))
    with open_run(path) as run, pytest.raises(BackgroundError, match="the run's is 'lorenz96_cub"):
        differences(run, (0.1, 0.2))


def test_a_run_without_fields(make_run: MakeRun) -> None:
    path = make_run(fields_every=0, attributes=namelist())
    with open_run(path) as run, pytest.raises(BackgroundError, match="set fields_every in &output"):
        differences(run, (0.1, 0.2))


def test_a_free_runs_states_are_its_climate(make_run: MakeRun) -> None:
    path = make_run(attributes=namelist(analysis="none"))
    with open_run(path) as run:
        found = climatology(run)
        assert found.around_mean
        np.testing.assert_array_equal(whole(found)[:, 0], run["analysis_mean"].values[50:])
    for changes in ({"analysis": "letkf"}, {"analysis": "none", "members": 2}):
        path = make_run(attributes=namelist(**changes))
        with open_run(path) as run, pytest.raises(BackgroundError, match="needs a free run"):
            climatology(run)


def test_members_deviate_from_their_mean(make_run: MakeRun) -> None:
    members, sd = 5, 0.3
    path = make_run(attributes=namelist(members=members))
    with open_run(path) as run:
        random = np.random.default_rng(1)
        states = 2 + sd * random.normal(size=(300, members, 40))
        dumped = run.assign(analysis_members=(("member_time", "member", "x"), states))
        dumped = dumped.assign_coords(member_time=run["time"].values)
        found = deviations(dumped, 0.0)
        fields = whole(found)
        assert found.records == 250 * members
        # The divisor N - 1: unbiased.
        assert fields.var() == pytest.approx(sd**2, rel=0.02)
        later = next(deviations(dumped, 0.1).parts)[:, 0]
        moved = forecast(states[50], 2)
        expected = (moved - moved.mean(axis=0)) / np.sqrt(1 - 1 / members)
        np.testing.assert_allclose(later, expected, rtol=1e-12, atol=1e-12)


def test_one_member_does_not_deviate(make_run: MakeRun) -> None:
    path = make_run(attributes=namelist())
    with open_run(path) as run, pytest.raises(BackgroundError, match="members = 2 or more"):
        deviations(run, 0.0)
