"""The emulator of Lorenz-96 in pictures: RMSE in the cycle, skill by lead time, climate.

.venv/bin/python experiments/emulator_figure.py [--jobs 2]

Takes the scores of `network_table.py emulator`, which is to be run before, and its ETKF runs, which
have forecasts; runs emulator/free.nml, 100,000 steps of the network alone. Writes
emulator/figure.png and prints the numbers of skill and climate.
"""

import argparse
import csv
import statistics
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import network_table
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dacycle import namelist as nml
from dacycle.plot.style import BLUE, GREY, ORANGE, RESOLUTION, styled
from dacycle.run_file import open_run
from dacycle.sweep.execute import cores
from dacycle.training.kinds.emulator import LYAPUNOV_TIME
from dacycle.verification.lead_times import USEFUL, lead_times
from dacycle.verification.scores import burn_in

FOLDER = network_table.EXPERIMENTS / "emulator"
RUNS = network_table.RUNS / FOLDER.name
FORECASTS = "etkf.nml"
FREE = "free.nml"
BINS = np.linspace(-12, 16, 57)

ROOM = 1.1
"""Of an axis beyond the largest value."""


@dataclass(frozen=True)
class Skill:
    """RMSE of forecasts by lead time, `(lead,)`, and the climate's standard deviation."""

    lead: NDArray[np.float64]
    rmse: NDArray[np.float64]
    climatology: float


@dataclass(frozen=True)
class Climate:
    """All values of a free run."""

    values: NDArray[np.float64]

    @property
    def moments(self) -> tuple[float, float, float]:
        """Mean, variance, and the covariance of neighbours over the variance."""
        x = self.values - self.values.mean()
        return self.values.mean(), x.var(), float((x * np.roll(x, -1, -1)).mean() / x.var())


def skill(groups: nml.Groups, seeds: Sequence[int], jobs: int) -> Skill:
    """Mean over the seeds."""
    with ProcessPoolExecutor(jobs) as pool:
        running = [pool.submit(network_table.run, groups, seed, RUNS) for seed in seeds]
        paths = [one.result() for one in running]
    found = []
    for path in paths:
        with open_run(path) as run:
            found.append(lead_times(run))
    rmse = np.mean([one.rmse for one in found], axis=0)
    return Skill(found[0].lead, rmse, statistics.fmean(one.climatology for one in found))


def climates(path: Path) -> dict[str, Climate]:
    """The truth's and the network's, of a free run."""
    with open_run(path) as run:
        first = burn_in(run) // int(run.sizes["time"] / run.sizes["field_time"])
        return {
            name: Climate(run[field].values[first:])
            for name, field in (("model", "truth"), ("network", "background_mean"))
        }


def picture(
    scores: Sequence[dict[str, str]],
    seeds: Sequence[int],
    skills: dict[str, Skill],
    found: dict[str, Climate],
) -> Figure:
    """The three side by side."""
    drawn = Figure(figsize=(12, 4), layout="constrained")
    panels = drawn.subplots(1, 3, width_ratios=[5, 4, 4])
    _scores(panels[0], scores, seeds)
    _skill(panels[1], skills)
    _climate(panels[2], found)
    return drawn


def _scores(axes: Axes, scores: Sequence[dict[str, str]], seeds: Sequence[int]) -> None:
    for place, row in enumerate(reversed(scores)):
        for name, colour, up in (("exact", BLUE, 0.12), ("network", ORANGE, -0.12)):
            values = [float(row[f"{name}_{seed}"]) for seed in seeds]
            label = {"exact": "model", "network": "network"}[name] if place == 0 else None
            axes.plot(values, [place + up] * len(values), "o", color=colour, ms=4, label=label)
    names = [row["scheme"].replace(", the", ",\nthe") for row in reversed(scores)]
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(-0.5, len(names) - 0.5)
    axes.set_xlim(0, ROOM * axes.get_xlim()[1])
    axes.set_xlabel("analysis RMSE, a dot a seed")
    axes.set_title("In the cycle")
    axes.legend(loc="lower left")


def _skill(axes: Axes, skills: dict[str, Skill]) -> None:
    for (name, one), colour, style in zip(
        skills.items(), (BLUE, ORANGE), ("o-", "s--"), strict=True
    ):
        axes.plot(one.lead, one.rmse, style, color=colour, ms=4, label=name)
        climatology = one.climatology
    for share, words in ((1, "climatological sd"), (USEFUL, "half of it")):
        axes.axhline(share * climatology, color=GREY, lw=1, ls="--")
        axes.annotate(words, (0.05, share * climatology), xytext=(0, -9), color=GREY,
                      textcoords="offset points", fontsize=8)  # fmt: skip
    for times in (1, 2):
        axes.axvline(times * LYAPUNOV_TIME, color=GREY, lw=0.8, ls=":")
    axes.set_ylim(bottom=0)
    axes.set_xlim(0, ROOM * axes.get_xlim()[1])
    axes.set_xlabel("lead time (dotted: 1 and 2 Lyapunov times)")
    axes.set_ylabel("RMSE")
    axes.set_title("Forecasts from ETKF analyses")
    axes.legend(loc="lower right")


def _climate(axes: Axes, found: dict[str, Climate]) -> None:
    for (name, one), colour, style in zip(found.items(), (BLUE, ORANGE), ("-", "--"), strict=True):
        density, _ = np.histogram(one.values, BINS, density=True)
        axes.plot((BINS[1:] + BINS[:-1]) / 2, density, style, color=colour, label=name)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("x")
    axes.set_ylabel("density")
    axes.set_title("100,000 steps alone")
    axes.legend()


def main() -> int:
    """Run what is missing, draw, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=cores(), help="runs at a time")
    given = parser.parse_args()
    table = network_table.read_table(FOLDER)
    with (FOLDER / "scores.csv").open(encoding="utf-8") as file:
        scores = list(csv.DictReader(file))
    row = network_table.read_row(FOLDER / FORECASTS)
    skills = {
        name: skill(row.variant(variant), table.seeds, given.jobs)
        for name, variant in (("model", "exact"), ("network", "network"))
    }
    for name, one in skills.items():
        pairs = zip(one.lead, one.rmse, strict=True)
        shown = ", ".join(f"{rmse:.3f} at {lead:g}" for lead, rmse in pairs)
        sys.stdout.write(f"{name}: RMSE {shown}\n")
    free = network_table.read_row(FOLDER / FREE).groups
    found = climates(network_table.run(free, 1, RUNS))
    for name, climate in found.items():
        mean, variance, neighbours = climate.moments
        sys.stdout.write(
            f"{name}: mean {mean:.4f}, variance {variance:.3f}, neighbours {neighbours:.4f}\n"
        )
    with styled():
        picture(scores, table.seeds, skills, found).savefig(FOLDER / "figure.png", dpi=RESOLUTION)
    return 0


if __name__ == "__main__":
    sys.exit(main())
