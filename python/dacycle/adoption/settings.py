"""What a module is said to be: role, model and what its channels are."""

import math
from dataclasses import dataclass

from dacycle.errors import NetworkFileError

__all__ = ["FORMS", "GIVES", "ROLES", "Settings"]

ROLES = ("model", "correction", "analysis", "observation")
GIVES = ("increment", "next")
FORMS = ("increment", "tendency")


@dataclass(frozen=True)
class Settings:
    """What a module is said to be; see `export_module`."""

    role: str
    model: str
    interval: float
    forcing: float
    gives: str
    form: str
    components: int
    memory: int
    points: int
    error_sd: float

    def check(self) -> None:
        """Raise for values that are not allowed, one by one and together."""
        for name, known in (("role", ROLES), ("gives", GIVES), ("form", FORMS)):
            if getattr(self, name) not in known:
                raise NetworkFileError(
                    f"{name} = {getattr(self, name)!r} (known: {', '.join(known)})"
                )
        if not isinstance(self.model, str) or not self.model:
            raise NetworkFileError(f"model = {self.model!r}: the name of the model is needed")
        for name in ("interval", "forcing", "error_sd"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise NetworkFileError(f"{name} = {value!r} must be a number")
            if not math.isfinite(value):
                raise NetworkFileError(f"{name} = {value} must be finite")
        for name, least in (("components", 1), ("memory", 0), ("points", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise NetworkFileError(f"{name} = {value!r} must be a whole number from {least} on")
        if not self.interval > 0 or self.error_sd < 0:
            raise NetworkFileError(
                f"interval = {self.interval} must be above 0, error_sd = {self.error_sd} not below"
            )
        if self.gives == "next" and self.role in ("correction", "observation"):
            raise NetworkFileError(
                f"gives = 'next' is for a model or an analysis, not for a {self.role}"
            )
        if self.form == "tendency" and self.role != "correction":
            raise NetworkFileError(f"form = 'tendency' is for a correction, not for a {self.role}")
        if self.form == "tendency" and self.memory > 0:
            raise NetworkFileError("a tendency has no memory: it is called four times a step")

    def inputs(self) -> tuple[str, ...]:
        """What each channel in is."""
        seen = ["state"] * self.components
        if self.role == "analysis":
            seen += ["sensitivity"] * self.components
        return tuple(seen + ["memory"] * self.memory)

    def outputs(self) -> tuple[str, ...]:
        """What each channel out is."""
        given = ["observed"] if self.role == "observation" else [self.form] * self.components
        return tuple(given + ["memory"] * self.memory)
