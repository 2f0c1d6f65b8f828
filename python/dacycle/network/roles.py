"""The roles that a network may have, and the channels of each: their one list.

A file says its role, and `fortran/roles/list.f90` knows the same ones. Without PyTorch, which takes
seconds to load, so that the command line can name them.
"""

from dataclasses import dataclass

__all__ = ["FORMS", "GIVES", "ROLES", "Role"]

FORMS = ("increment", "tendency")
"""What an output is added to: the state, or the model's dx/dt."""

GIVES = ("increment", "next")
"""What a module may give: what is added to the state, or the new state itself."""


@dataclass(frozen=True)
class Role:
    """What goes into networks of a role and comes out, beside memory.

    Attributes:
        sees: what goes in, each as many channels as the state has components: `state`,
            `sensitivity` (H^T R^-1 times the departure y - H(mean)).
        field: the one field that comes out: `observed` (the field that observations are values
            of); none: the state's components, in one of the `forms`.
        forms: what may come out for each of the state's components, of `FORMS`.
        gives: what a module may give, of `GIVES`.
    """

    sees: tuple[str, ...] = ("state",)
    field: str = ""
    forms: tuple[str, ...] = ("increment",)
    gives: tuple[str, ...] = ("increment",)

    def inputs(self, components: int, memory: int) -> tuple[str, ...]:
        """What each channel in is."""
        seen = [name for name in self.sees for _ in range(components)]
        return (*seen, *["memory"] * memory)

    def outputs(self, form: str, components: int, memory: int) -> tuple[str, ...]:
        """What each channel out is."""
        given = [self.field] if self.field else [form] * components
        return (*given, *["memory"] * memory)


ROLES = {
    "model": Role(gives=GIVES),
    "correction": Role(forms=FORMS),
    "analysis": Role(sees=("state", "sensitivity"), gives=GIVES),
    "observation": Role(field="observed"),
}
