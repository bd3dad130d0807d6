"""Checks whose messages name the thing, its value and the remedy."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Something a person gave cannot be used. The message is one line and says what to do."""


def known(what: str, name: str, names: Iterable[str]) -> str:
    """`name` if it is among `names`; else an InputError that suggests the nearest one."""
    names = sorted(names)
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise InputError(f"unknown {what} {name!r}; {hint}known: {', '.join(names) or 'none'}")


def positive(what: str, value: int) -> int:
    """`value` if it is a whole number of at least 1; else an InputError."""
    if isinstance(value, bool) or int(value) != value or value < 1:
        raise InputError(f"{what} is {value}; it must be a whole number of at least 1")
    return int(value)
