"""Summaries of observation impact, against numbers made up for them."""

import numpy as np
import pytest
import xarray as xr

from dacycle.errors import RunFileError
from dacycle.plot.impact import impact
from dacycle.report import impact_table
from dacycle.verification.impact import by_kind, by_region, total_impact, was_judged

CYCLES, BURN_IN, EVERY, N = 40, 10, 2, 8


@pytest.fixture
def run() -> xr.Dataset:
    """Eight points, two kinds; impacts -1 on the left half and +0.25 on the right."""
    time = 0.1 * np.arange(1, CYCLES + 1)
    judged = (np.arange(1, CYCLES + 1) % EVERY) == 0
    position = np.tile(np.arange(float(N)), CYCLES)
    row = np.where(position < N / 2, -1.0, 0.25)
    row[np.repeat(~judged, N)] = np.nan
    wave = np.sin(time[judged])
    quality = np.zeros(row.size, np.int8)
    quality[::N] = 6
    row[::N] = np.where(np.isnan(row[::N]), np.nan, 0.0)
    return xr.Dataset(
        {
            "analysis_rmse": ("time", np.ones(CYCLES), {"burn_in": BURN_IN}),
            "impact_actual": ("impact_time", -2.0 + wave),
            "impact_estimated": ("impact_time", -1.0 + 0.5 * wave),
            "impact_beneficial": ("impact_time", np.full(judged.sum(), 3 / 7)),
            "obs_time": ("observation", np.repeat(time, N)),
            "obs_position": ("observation", position),
            "obs_kind": ("observation", np.tile([1, 2], CYCLES * N // 2)),
            "obs_qc": ("observation", quality),
            "obs_impact": ("observation", row),
        },
        coords={"time": time, "impact_time": time[judged], "x": np.arange(N)},
        attrs={"title": "made up"},
    )


def test_totals(run: xr.Dataset) -> None:
    total = total_impact(run)
    assert total.cycles == (CYCLES - BURN_IN) // EVERY
    kept = run["impact_actual"].values[BURN_IN // EVERY :]
    assert total.actual.value == pytest.approx(kept.mean())
    assert total.ratio.value == pytest.approx(0.5)
    assert total.correlation == pytest.approx(1.0)
    assert total.beneficial.value == pytest.approx(3 / 7)


def test_regions_and_kinds_part_the_whole(run: xr.Dataset) -> None:
    """Three observations a cycle on the left: the first is missing."""
    left, right = by_region(run, [0, N / 2, N]).values()
    assert left.impact.value == pytest.approx(-3.0)
    assert right.impact.value == pytest.approx(1.0)
    assert left.share.value == pytest.approx(1.5)
    assert (left.beneficial, right.beneficial) == (1.0, 0.0)
    assert left.observations == 3 * (CYCLES - BURN_IN) // EVERY
    kinds = by_kind(run)
    assert kinds[1].impact.value == pytest.approx(-1.0 + 0.5)
    assert kinds[2].impact.value == pytest.approx(-2.0 + 0.5)


def test_arcs_without_observations_are_left_out(run: xr.Dataset) -> None:
    assert list(by_region(run, [0, 4, 8, 12])) == [(0.0, 4.0), (4.0, 8.0)]


def test_without_feedback_there_are_totals_only(run: xr.Dataset) -> None:
    bare = run.drop_vars("obs_impact")
    assert total_impact(bare).cycles > 0
    assert impact_table(bare, 4).row_count < impact_table(run, 4).row_count
    assert len(impact(bare).axes) == 1
    with pytest.raises(RunFileError, match="feedback"):
        by_kind(bare)


def test_a_run_without_impact_is_refused(run: xr.Dataset) -> None:
    bare = run.drop_vars(["impact_actual"])
    assert was_judged(run)
    assert not was_judged(bare)
    with pytest.raises(RunFileError, match="&impact"):
        total_impact(bare)
    unknown = run.assign(impact_actual=np.nan * run["impact_actual"])
    assert not was_judged(unknown)
    with pytest.raises(RunFileError, match="after burn-in"):
        impact_table(unknown, 4)


def test_the_picture_has_every_judged_cycle(run: xr.Dataset) -> None:
    cycles, regions = impact(run).axes
    assert cycles.lines[0].get_xdata().size == total_impact(run).cycles
    assert len(regions.patches) == N - 1, "the first point is never observed"
