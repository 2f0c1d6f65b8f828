"""Run the experiments and write their scores into the table of experiments/README.md.

.venv/bin/python experiments/make_table.py [RANKS]      (default: 2)
"""

import sys
import tempfile
from pathlib import Path

import dacycle
from dacycle.report import Published, read_published
from dacycle.verification.scores import read_scores, with_error

EXPERIMENTS = Path(__file__).resolve().parent
PAGE = EXPERIMENTS / "README.md"
BEGIN = "<!-- made by make_table.py -->\n"
END = "<!-- end -->\n"
NAMES = (
    "sakov2008",
    "sakov2008_etkf",
    "sakov2008_enkf_n",
    "sakov2008_denkf",
    "sakov2008_stochastic",
    "sakov2008_var3d",
    "sakov2008_var4d",
    "sakov2008_ienks",
    "sakov2008_dan",
    "whitaker2002",
    "anderson2001_eakf",
    "poterjoy2016",
    "poterjoy2016_abs",
    "bocquet2010_half",
    "bocquet2010_half_enkf_n",
    "miyoshi2011",
    "miyoshi2011_model_error",
    "miyoshi2011_half",
    "annan2004",
    "annan2004_field",
    "fertig2009",
    "sakov2008_climatology",
    "sakov2008_none",
    "twin_abs",
    "twin_checkerboard",
    "twin_mixture",
    "hybrid_e4dvar",
    "hybrid_e4dvar_long",
    "hybrid_e4dvar_etkf",
    "hybrid_4denvar",
    "hybrid_eda",
)
HEAD = """\
| experiment | scheme | published RMSE | our RMSE | its maximum | our spread |
|---|---|---|---|---|---|
"""


def row(name: str, folder: str, ranks: int, published: dict[str, Published]) -> str:
    """Run one experiment: its row of the table."""
    output = Path(folder) / f"{name}.nc"
    with dacycle.run(EXPERIMENTS / f"{name}.nml", ranks, output=output) as run:
        scheme = run.attrs["title"].partition(": ")[2]
        scores = {score.name: score for score in read_scores(run)}
    rmse, spread = scores["analysis_rmse"], scores["analysis_spread"]
    cells = [
        f"`{name}`",
        scheme,
        f"{published[name].rmse:g}" if name in published else "-",
        with_error(rmse.mean, rmse.standard_error),
        f"{rmse.maximum:.2f}",
        with_error(spread.mean, spread.standard_error),
    ]
    return f"| {' | '.join(cells)} |\n"


def main() -> None:
    """Put the new table in place of the old one."""
    ranks = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    published = read_published(EXPERIMENTS / "published.toml")
    with tempfile.TemporaryDirectory() as folder:
        rows = [row(name, folder, ranks, published) for name in NAMES]
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text("".join([before, BEGIN, "\n", HEAD, *rows, "\n", END, after]), encoding="utf-8")


if __name__ == "__main__":
    main()
