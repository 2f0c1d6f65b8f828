"""The numbers of docs/verification.md: one run, a section a table.

.venv/bin/python experiments/verified.py crps|ranks|reliability|regions|leads|desroziers
"""

import sys
from collections.abc import Iterable

import numpy as np
import xarray as xr
from remaking.pages import markdown
from remaking.runs import REPOSITORY, Runner, task

from dacycle import namelist as nml
from dacycle.run_file import open_run
from dacycle.verification.desroziers import desroziers
from dacycle.verification.estimate import Estimate
from dacycle.verification.lead_times import lead_times
from dacycle.verification.ranks import rank_histogram
from dacycle.verification.regions import region_scores
from dacycle.verification.reliability import reliability
from dacycle.verification.scores import with_error
from dacycle.verification.spectra import spectra
from dacycle.verification.tables import read_tables

PAGE = REPOSITORY / "docs" / "verification.md"
SEED = 11
STATES = ("background", "analysis")
SHOWN_LEADS = (0.05, 0.5, 1.0, 2.0, 5.0, 10.0)


def the_run() -> xr.Dataset:
    """The run of the namelist that the page shows."""
    text = PAGE.read_text(encoding="utf-8")
    shown = text.partition("```\n&cycle")[2].partition("```")[0]
    groups = nml.parse(f"&cycle{shown}", "the namelist of docs/verification.md")
    groups = nml.merge({"output": {"fields_every": 1, "feedback": True}}, groups)
    return open_run(Runner(1)([task(groups, SEED, keep=True)])[0].file)


def told(one: Estimate) -> str:
    """As tables have it."""
    return with_error(one.value, one.standard_error)


def crps(run: xr.Dataset) -> str:
    """Both, of both states."""
    found = {one.name: Estimate(float(one.mean), float(one.standard_error))
             for one in read_tables(run) if one.name.endswith("crps")}  # fmt: skip
    rows = [
        [words, *(told(found[f"{state}_{name}"]) for state in STATES)]
        for words, name in (("CRPS", "crps"), ("fair CRPS", "fair_crps"))
    ]
    return markdown(["", *STATES], rows)


def ranks(run: xr.Dataset) -> str:
    """Tests of flatness, and spread beside RMSE."""
    found = [rank_histogram(run, state) for state in STATES]
    rows = [
        ["rank bias", *(told(one.bias) for one in found)],
        ["rank dispersion", *(told(one.dispersion) for one in found)],
        ["RMSE", *(_score(run, f"{state}_rmse") for state in STATES)],
        ["spread", *(_score(run, f"{state}_spread") for state in STATES)],
    ]  # fmt: skip
    return markdown(["", *STATES], rows)


def _score(run: xr.Dataset, name: str) -> str:
    attributes = run[name].attrs
    return with_error(attributes["time_mean"], attributes["standard_error"])


def events(run: xr.Dataset) -> str:
    """Brier score and its parts."""
    rows = [
        [f"x > {one.threshold:g}", told(one.brier), told(one.reliability), f"{one.chance:.2g}",
         told(one.resolution), told(one.uncertainty)]
        for one in reliability(run)
    ]  # fmt: skip
    heads = ["event", "Brier score", "reliability", "of it chance", "resolution", "uncertainty"]
    return markdown(heads, rows)


def regions(run: xr.Dataset) -> str:
    """Of the analysis."""
    rows = []
    for first, last in zip(run["region_first"].values, run["region_last"].values, strict=True):
        one = region_scores(run, "analysis", int(first), int(last))
        rows.append([f"{first:g}-{last:g}", told(one.rmse), told(one.spread), told(one.bias)])
    return markdown(["points", "analysis RMSE", "spread", "bias"], rows)


def leads(run: xr.Dataset) -> str:
    """Errors of forecasts."""
    found = lead_times(run)
    assert found.spread is not None
    assert found.spread_error is not None
    rows = [
        [f"{lead:g}", with_error(*values[:2]), with_error(*values[2:4]), with_error(*values[4:])]
        for lead, *values in zip(
            found.lead, found.rmse, found.rmse_error, found.spread, found.spread_error,
            found.correlation, found.correlation_error, strict=True,
        )
        if np.isclose(SHOWN_LEADS, lead).any()
    ]  # fmt: skip
    table = markdown(["lead", "RMSE", "spread", "correlation"], rows)
    return f"{table}= skill_time: {told(found.skill_time)}\n"


def covariances(run: xr.Dataset) -> str:
    """Desroziers' statistics, and what the truth says of them."""
    one = desroziers(run)
    rows = [
        ["R", told(one.observation_variance), told(one.observation_ratio)],
        ["H B Hᵀ", told(one.background_variance), told(one.background_ratio)],
        ["H A Hᵀ", told(one.analysis_variance), ""],
        ["innovations", "", told(one.innovation_ratio)],
    ]
    skip = int(run["background_rmse"].attrs["burn_in"])
    squares = [
        float(np.mean(run[f"background_{name}"].values[skip:] ** 2)) for name in ("rmse", "spread")
    ]
    below = [100 * (1 - one.background_ratio.value), 100 * (1 - squares[0] / squares[1])]
    found = spectra(run)
    truth, error = found["truth"].power, found["analysis error"].power
    spread = found["analysis spread"].power / error - 1
    told_ = {
        "below": f"{below[0]:.0f} %", "below_truth": f"{below[1]:.0f} %",
        "least": f"{(truth / error).min():.0f}", "most": f"{(truth / error).max():.0f}",
        "where": f"{found['truth'].wavenumber[(truth / error).argmax()]}",
        "spread": f"{100 * spread.min():.0f} to {100 * spread.max():.0f} %",
    }  # fmt: skip
    table = markdown(["", "diagnosed", "over assumed"], rows)
    return table + "".join(f"= {name}: {text}\n" for name, text in told_.items())


SECTIONS = {"crps": crps, "ranks": ranks, "reliability": events, "regions": regions, "leads": leads,
            "desroziers": covariances}  # fmt: skip


def main(arguments: Iterable[str]) -> int:
    """Print a section."""
    with the_run() as run:
        for name in arguments:
            sys.stdout.write(SECTIONS[name](run))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
