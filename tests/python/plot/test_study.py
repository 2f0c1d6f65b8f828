"""The picture of a local analysis: observations, members, weights and eigenvalues."""

import numpy as np
import pytest
import xarray as xr

from dacycle.plot.study import study
from dacycle.plot.style import styled

MEMBERS, OBSERVATIONS = 5, 4


def studies() -> xr.Dataset:
    """Two analyses, the second without an observation."""
    random = np.random.default_rng(2)
    return xr.Dataset(
        {
            "cycle": ("study", [10, 20]),
            "point": ("study", [3, 3]),
            "first_observation": ("study", [0, OBSERVATIONS]),
            "observations": ("study", [OBSERVATIONS, 0]),
            "effective_observations": ("study", [2.5, 0.0]),
            "signal_freedom": ("study", [1.5, 0.0]),
            "eigenvalues": (("study", "member"), np.sort(1 + random.random((2, MEMBERS)))),
            "mean_weights": (("study", "background_member"), random.normal(size=(2, MEMBERS))),
            "transform": (
                ("study", "member", "background_member"),
                random.normal(size=(2, MEMBERS, MEMBERS)),
            ),
            "background_members": (
                ("study", "background_member", "component"),
                random.normal(size=(2, MEMBERS, 1)),
            ),
            "analysis_members": (
                ("study", "member", "component"),
                random.normal(size=(2, MEMBERS, 1)),
            ),
            "increment": (("study", "component"), [[0.25], [0.0]]),
            "obs_distance": ("observation", [-1.5, -0.5, 0.5, 1.5]),
            "obs_innovation": ("observation", random.normal(size=OBSERVATIONS)),
            "obs_error_sd": ("observation", np.ones(OBSERVATIONS)),
            "obs_taper": ("observation", [0.3, 0.9, 0.9, 0.3]),
        }
    )


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("number", [0, 1])
def test_a_local_analysis_is_drawn(number: int) -> None:
    dataset = studies()
    with styled():
        drawn = study(dataset, number)
        drawn.canvas.draw()
    given, members, weights, values = drawn.axes[:4]
    count = int(dataset.observations[number])
    assert given.get_title(loc="left").startswith(f"{count} observations")
    assert "increment" in members.get_title(loc="left")
    total = dataset.transform[number] + dataset.mean_weights[number]
    np.testing.assert_allclose(np.asarray(weights.images[0].get_array()), total)
    shown = np.asarray(values.lines[0].get_ydata())
    np.testing.assert_allclose(shown, dataset.eigenvalues[number][::-1])


def test_an_analysis_that_is_not_there() -> None:
    with pytest.raises(IndexError, match="2 local analyses, none is 2"):
        study(studies(), 2)
