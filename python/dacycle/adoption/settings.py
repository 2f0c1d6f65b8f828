"""What a module is said to be: its role, and what belongs to that."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from dacycle.errors import NetworkFileError
from dacycle.network.roles import FORMS, GIVES, ROLES

__all__ = ["Settings"]


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
        for name, known in (("role", tuple(ROLES)), ("gives", GIVES), ("form", FORMS)):
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
        role = ROLES[self.role]
        if self.gives not in role.gives:
            those = _those(role for role in ROLES if self.gives in ROLES[role].gives)
            raise NetworkFileError(f"gives = '{self.gives}' is for {those}, not for a {self.role}")
        if self.form not in role.forms:
            those = _those(role for role in ROLES if self.form in ROLES[role].forms)
            raise NetworkFileError(f"form = '{self.form}' is for {those}, not for a {self.role}")
        if self.form == "tendency" and self.memory > 0:
            raise NetworkFileError("a tendency has no memory: it is called four times a step")

    def inputs(self) -> tuple[str, ...]:
        """What each channel in is."""
        return ROLES[self.role].inputs(self.components, self.memory)

    def outputs(self) -> tuple[str, ...]:
        """What each channel out is."""
        return ROLES[self.role].outputs(self.form, self.components, self.memory)


def _those(roles: Iterable[str]) -> str:
    """`a model or an analysis`."""
    return " or ".join(f"{'an' if role[0] in 'aeiou' else 'a'} {role}" for role in roles)
