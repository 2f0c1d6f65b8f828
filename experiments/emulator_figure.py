"""The emulator of Lorenz-96 in pictures: RMSE in the cycle, skill by lead time, climate.

.venv/bin/python experiments/emulator_figure.py

Takes the scores of the table `emulator`, made before, runs its ETKF for the forecasts and
emulator/free.nml, 40,000 steps of the network alone. Writes emulator/figure.png and prints the
table of skill and the numbers of the climate; `remake.py` calls it.
"""

import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from remaking import pages, spec
from remaking.runs import Runner, task

from dacycle import namelist as nml
from dacycle.plot.style import BLUE, GREY, ORANGE, RESOLUTION, styled
from dacycle.run_file import open_run
from dacycle.sweep.execute import cores
from dacycle.training.kinds.emulator import LYAPUNOV_TIME
from dacycle.verification.lead_times import USEFUL, lead_times
from dacycle.verification.scores import burn_in

FOLDER = spec.EXPERIMENTS / "emulator"
FORECASTS = "etkf"
Scores = dict[str, dict[str, list[float]]]
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


def skill(groups: nml.Groups, seeds: Sequence[int], runner: Runner) -> Skill:
    """Mean over the seeds."""
    paths = [run.file for run in runner([task(groups, seed, keep=True) for seed in seeds])]
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
    scores: Scores,
    skills: dict[str, Skill],
    found: dict[str, Climate],
) -> Figure:
    """The three side by side."""
    drawn = Figure(figsize=(12, 4), layout="constrained")
    panels = drawn.subplots(1, 3, width_ratios=[5, 4, 4])
    _scores(panels[0], scores)
    _skill(panels[1], skills)
    _climate(panels[2], found)
    return drawn


def _scores(axes: Axes, scores: Scores) -> None:
    for place, row in enumerate(reversed(list(scores.values()))):
        for name, colour, up in (("exact", BLUE, 0.12), ("network", ORANGE, -0.12)):
            values = row[name]
            label = {"exact": "model", "network": "network"}[name] if place == 0 else None
            axes.plot(values, [place + up] * len(values), "o", color=colour, ms=4, label=label)
    names = [scheme.replace(", the", ",\nthe") for scheme in reversed(scores)]
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
    axes.set_title("40,000 steps alone")
    axes.legend()


def main() -> int:
    """Run what is missing, draw, and print."""
    runner = Runner(cores())
    table = spec.tables()["emulator"]
    row = next(row for row in table.rows if row.id == FORECASTS)
    cell = next(cell for cell in table.cells(row) if cell is not None)
    exact = {group: keys for group, keys in cell.groups.items() if group != "networks"}
    skills = {
        name: skill(groups, cell.seeds, runner)
        for name, groups in (("model", exact), ("network", cell.groups))
    }
    rows = [[name, *(f"{rmse:.3f}" for rmse in one.rmse)] for name, one in skills.items()]
    heads = ["", *(f"{lead:g}" for lead in skills["model"].lead)]
    sys.stdout.write(pages.markdown(heads, rows))
    free = nml.resolve(nml.read(FOLDER / FREE), FOLDER)
    found = climates(runner([task(free, cell.seeds[0], keep=True)])[0].file)
    for name, climate in found.items():
        mean, variance, neighbours = climate.moments
        sys.stdout.write(f"= {name}: {mean:.4f}, {variance:.3f}, {neighbours:.4f}\n")
    scores = pages.seeds_of("emulator")
    with styled():
        picture(scores, skills, found).savefig(FOLDER / "figure.png", dpi=RESOLUTION)
    return 0


if __name__ == "__main__":
    sys.exit(main())
