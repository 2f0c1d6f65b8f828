"""Fortran namelists as dictionaries: `{"cycle": {"cycles": 5000}, "lorenz96": {"n": 40}}`.

Groups and keys are lower case, as Fortran does not tell cases apart. A path that begins with `@/`
is relative to the folder of the namelist itself; `resolve` makes it absolute.
"""

import os
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import f90nml
import numpy as np

from dacycle.errors import NamelistError

__all__ = ["Groups", "merge", "parse", "read", "resolve", "text", "write"]

Groups = dict[str, dict[str, Any]]
"""Groups of keys; a value is a bool, int, float, str or a list of them."""

OWN_FOLDER = "@/"

UNREADABLE = (
    AssertionError,
    ValueError,
    IndexError,
    KeyError,
    StopIteration,
    AttributeError,
    TypeError,
)
"""What f90nml, which has no error of its own, raises at a text that is no namelist."""


def read(path: str | os.PathLike[str]) -> Groups:
    """The groups of a namelist file.

    Raises:
        NamelistError: the file cannot be read, is no namelist or repeats a group.
    """
    try:
        source = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise NamelistError(f"{path}: {reason}") from error
    return parse(source, str(path))


def parse(source: str, name: str = "namelist") -> Groups:
    """The groups in the text `source`; `name` stands for it in messages.

    Raises:
        NamelistError: the text is no namelist or repeats a group.
    """
    parser = f90nml.Parser()
    try:
        # f90nml prints its tables when it meets a text that it cannot read.
        with redirect_stdout(StringIO()):
            found = parser.reads(source).todict()
    except UNREADABLE as error:
        raise NamelistError(f"{name}: cannot be read as a Fortran namelist") from error
    for group, keys in found.items():
        if group.startswith("_grp_"):
            repeated = group.removeprefix("_grp_").rpartition("_")[0]
            raise NamelistError(f"{name}: group &{repeated} stands there more than once")
        if "_start_index" in keys:
            key = next(iter(keys["_start_index"]))
            raise NamelistError(f"{name}: &{group} {key}: give the whole list, not {key}(index)")
    return {group: dict(keys) for group, keys in found.items()}


def text(groups: Mapping[str, Mapping[str, Any]]) -> str:
    """The namelist file that holds `groups`.

    Raises:
        NamelistError: a value has no form in a namelist.
    """
    plain = OrderedDict(
        (group, OrderedDict((key, _plain(group, key, value)) for key, value in keys.items()))
        for group, keys in merge(groups, {}).items()
    )
    return f"{f90nml.Namelist(plain)}\n"


def write(groups: Mapping[str, Mapping[str, Any]], path: str | os.PathLike[str]) -> None:
    """Write `groups` to a namelist file, over one that is there.

    Raises:
        NamelistError: a value has no form in a namelist, or the file cannot be written.
    """
    try:
        Path(path).write_text(text(groups), encoding="utf-8")
    except OSError as error:
        raise NamelistError(f"{path}: {error.strerror}") from error


def merge(
    groups: Mapping[str, Mapping[str, Any]], changes: Mapping[str, Mapping[str, Any]]
) -> Groups:
    """`groups` with the keys of `changes` set; both stay as they are."""
    merged: Groups = {}
    for part in (groups, changes):
        for group, keys in part.items():
            lowered = {key.lower(): value for key, value in keys.items()}
            merged.setdefault(group.lower(), {}).update(lowered)
    return merged


def resolve(groups: Mapping[str, Mapping[str, Any]], folder: str | os.PathLike[str]) -> Groups:
    """`groups` with each `@/path` made absolute; `folder` is where their namelist stands."""
    home = Path(folder).absolute()

    def absolute(value: Any) -> Any:
        if isinstance(value, list):
            return [absolute(item) for item in value]
        if isinstance(value, str) and value.startswith(OWN_FOLDER):
            return str(home / value.removeprefix(OWN_FOLDER))
        return value

    return {
        group: {key: absolute(value) for key, value in keys.items()}
        for group, keys in groups.items()
    }


def _plain(group: str, key: str, value: Any) -> Any:
    """`value` in the types that f90nml writes."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, list | tuple) and value:
        return [_plain(group, key, item) for item in value]
    if isinstance(value, bool | int | float | str):
        return value
    raise NamelistError(
        f"&{group} {key}: {value!r} has no form in a namelist "
        "(a logical, a number, a string, a path or a list of them)"
    )
