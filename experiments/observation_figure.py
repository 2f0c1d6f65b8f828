"""The observing network in pictures: the field, its derivative, RMSE in the cycle.

.venv/bin/python experiments/observation_figure.py

Takes the scores of the table `observation`; `remake.py` calls it. The first two panels show every
point of states of the climate: exactly and by the network, h and the response of h to a shift of
all points by the same amount, the sum of a row of its Jacobian. Writes observation/figure.png.
"""

import sys
import tomllib

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from remaking import pages, spec
from torch import Tensor
from torch.autograd import forward_ad

from dacycle.export import OnCircle
from dacycle.model import lorenz96_torch as lorenz96
from dacycle.network.file import load
from dacycle.observation.kinds_torch import average
from dacycle.plot.style import BLUE, ORANGE, RESOLUTION, styled
from dacycle.training.kinds.observation import Observation, exact_operator
from dacycle.training.model import Model

FOLDER = spec.EXPERIMENTS / "observation"
NAME = "observation_l96_power"
STATES = 50
Scores = dict[str, dict[str, list[float]]]
SEED = 5
ROOM = 1.1
"""Of an axis beyond the largest value."""


def fields() -> dict[str, Tensor]:
    """At each point of some states: mean around it, h, and its response to a shift, both ways."""
    path = spec.EXPERIMENTS.parent / "models_export" / f"{NAME}.pt"
    network = OnCircle(*load(path))
    given = tomllib.loads((FOLDER / f"{NAME}.toml").read_text(encoding="utf-8"))
    setting, model = Observation(**given["observation"]), Model(**given["model"])
    random = torch.Generator().manual_seed(SEED)
    x = lorenz96.climatology(STATES, model.n, model.forcing, model.dt, random)
    found = {"mean": average(x, setting.average_half_width)}
    exact = exact_operator(setting)
    for name, operator in (("exact", exact), ("network", lambda x: network(x[:, None])[:, 0])):
        with forward_ad.dual_level(), torch.no_grad():
            dual = forward_ad.make_dual(x, torch.ones_like(x))  # type: ignore[no-untyped-call]
            value, slope = forward_ad.unpack_dual(operator(dual))  # type: ignore[no-untyped-call]
        found |= {name: value, f"{name} slope": slope}
    return {name: field.flatten() for name, field in found.items()}


def picture(found: dict[str, Tensor], scores: Scores) -> Figure:
    """The three side by side."""
    drawn = Figure(figsize=(12, 4), layout="constrained")
    panels = drawn.subplots(1, 3)
    order = found["mean"].argsort()
    for axes, ending, title in (
        (panels[0], "", "h"),
        (panels[1], " slope", "Response of h to a shift"),
    ):
        axes.plot(found["mean"][order], found[f"exact{ending}"][order], color=BLUE, label="exact")
        axes.plot(
            found["mean"], found[f"network{ending}"], ".", color=ORANGE, ms=2.5, label="network"
        )
        axes.set_xlabel("mean of x over ± 1 point")
        axes.set_title(title)
        axes.margins(x=0.02)
        axes.legend(loc="upper left")
    _scores(panels[2], scores)
    return drawn


def _scores(axes: Axes, scores: Scores) -> None:
    for place, row in enumerate(reversed(list(scores.values()))):
        for name, colour, up in (("exact", BLUE, 0.12), ("network", ORANGE, -0.12)):
            values = row[name]
            label = name if place == 0 else None
            axes.plot(values, [place + up] * len(values), "o", color=colour, ms=4, label=label)
    axes.set_yticks(range(len(scores)), list(reversed(scores)))
    axes.set_ylim(-0.5, len(scores) - 0.5)
    axes.set_xlim(0, ROOM * axes.get_xlim()[1])
    axes.set_xlabel("analysis RMSE, a dot a seed")
    axes.set_title("In the cycle")
    axes.legend(loc="lower left")


def main() -> int:
    """Draw."""
    scores = pages.seeds_of("observation")
    with styled():
        picture(fields(), scores).savefig(FOLDER / "figure.png", dpi=RESOLUTION)
    return 0


if __name__ == "__main__":
    sys.exit(main())
