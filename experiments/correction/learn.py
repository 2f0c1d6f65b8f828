"""Learn a correction from the analyses of `da_cycle`, again and again.

.venv/bin/python experiments/correction/learn.py l96_cubic|l96_two_scale

Round 1 runs the namelist NAME.nml, with the plain model, and trains correction_NAME.toml on its
analyses. Each further round runs the cycle with the correction of the one before, and with the
noise and inflation that suit it, and trains anew on those, which are better: what a model lacks
shows in its analyses only as far as the observations pull them away from it. The last round's
network goes to models_export/. Runs and trainings are in output/correction; what is there is kept.
"""

import argparse
import sys
import tomllib
from pathlib import Path

import dacycle
from dacycle import namelist as nml
from dacycle.cli import main as command

HERE = Path(__file__).resolve().parent
OUTPUT = Path("output/correction")
EXPORTS = Path("models_export")
ROUND = "ROUND"
"""In a configuration: the number of the round."""


def analyses(name: str, round_: int, groups: nml.Groups) -> None:
    """The run that a round learns from."""
    path = OUTPUT / f"{name}_{round_}.nc"
    if path.exists():
        return
    with dacycle.run(groups, output=path, fresh=True) as run:
        skip = int(groups["cycle"]["burn_in"])
        rmse = float(run.analysis_rmse[skip:].mean())
    sys.stdout.write(f"{path}: analysis RMSE {rmse:.4f}\n")
    sys.stdout.flush()


def learned(name: str, round_: int, target: Path) -> Path:
    """The network of a round."""
    path = target / f"correction_{name}.pt"
    folder = OUTPUT / f"correction_{name}_{round_}"
    config = OUTPUT / f"round_{round_}" / f"correction_{name}.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    text = (HERE / f"correction_{name}.toml").read_text(encoding="utf-8")
    config.write_text(text.replace(ROUND, str(round_)), encoding="utf-8")
    for line in (
        ["train", "correction", str(config), "-o", str(folder), "--quiet"],
        ["export", str(folder), "-o", str(target)],
    ):
        if command(line) != 0:
            raise SystemExit(f"dacycle {' '.join(line)} failed")
    return path


def main() -> int:
    """All rounds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", choices=("l96_cubic", "l96_two_scale"))
    name = parser.parse_args().name
    groups = nml.read(HERE / f"{name}.nml")
    rounds = tomllib.loads((HERE / "rounds.toml").read_text(encoding="utf-8"))[name]
    OUTPUT.mkdir(parents=True, exist_ok=True)
    for round_, changes in enumerate(rounds, start=1):
        groups = nml.merge(groups, {**changes, "cycle": {"seed": 100 + round_}})
        analyses(name, round_, groups)
        last = round_ == len(rounds)
        network = learned(name, round_, EXPORTS if last else OUTPUT / f"round_{round_}")
        groups = nml.merge(groups, {"networks": {"correction": str(network.resolve())}})
    return 0


if __name__ == "__main__":
    sys.exit(main())
