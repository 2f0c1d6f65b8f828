"""The pictures by name, in the order in which they are drawn: `module:class` in this folder.

Without matplotlib, which takes a second to load, so that the command line can name them.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dacycle.plot.type import Picture

__all__ = ["PICTURES", "picture"]

PICTURES = {
    "scores": "scores:ScoresPicture",
    "hovmoeller": "hovmoeller:HovmoellerPicture",
    "innovations": "innovations:InnovationsPicture",
    "desroziers": "desroziers:DesroziersPicture",
    "spectra": "spectra:SpectraPicture",
    "impact": "impact:ImpactPicture",
    "convergence": "minimisation:ConvergencePicture",
    "hessian": "minimisation:HessianPicture",
    "ranks": "ranks:RanksPicture",
    "reliability": "reliability:ReliabilityPicture",
    "skill": "lead_times:SkillPicture",
}


def picture(name: str) -> "Picture":
    """The picture of a name in `PICTURES`."""
    module, _, kind = PICTURES[name].partition(":")
    found: Picture = getattr(import_module(f"dacycle.plot.{module}"), kind)()
    return found
