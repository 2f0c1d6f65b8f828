"""Roles of networks: the same in Python and Fortran, and those of all trainings."""

import re
from pathlib import Path

import pytest

from dacycle.network.roles import FORMS, GIVES, ROLES
from dacycle.training.list import KINDS
from dacycle.training.list import kind as kind_of

ADAPTERS = Path(__file__).resolve().parents[3] / "fortran" / "roles"


def test_fortran_knows_the_same_roles() -> None:
    adapters = [path.read_text(encoding="utf-8") for path in ADAPTERS.glob("as_*.f90")]
    named = [re.findall(r"file_role%name = '(\w+)'", text) for text in adapters]
    assert {role for roles in named for role in roles} == set(ROLES)


@pytest.mark.parametrize("kind", KINDS)
def test_trainings_are_for_a_role(kind: str) -> None:
    assert kind_of(kind).role in ROLES


@pytest.mark.parametrize("name", ROLES)
def test_channels(name: str) -> None:
    role = ROLES[name]
    assert set(role.forms) <= set(FORMS)
    assert set(role.gives) <= set(GIVES)
    assert role.inputs(2, 1)[:2] == ("state", "state")
    assert role.inputs(2, 1).count("memory") == role.outputs("increment", 2, 1).count("memory") == 1
    assert len(role.outputs("increment", 2, 0)) == (1 if role.field else 2)
