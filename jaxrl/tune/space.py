"""What is searched: ranges of a card's numbers, and lists of anything that it takes."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxrl import suites
from jaxrl.core.card import Card
from jaxrl.core.check import InputError, known
from jaxrl.suites import show

FORM = "write NAME=LOW:HIGH, NAME=LOW:HIGH:log or NAME=A,B,C, such as --space actor_lr=1e-4:1e-2:log"


class Axis(NamedTuple):
    """One setting that is searched: a range, or choices (then not empty).

    traced: whether it is a number of the card, so that all its values share a compiled program.
    """

    name: str
    low: float
    high: float
    log: bool
    choices: tuple
    traced: bool

    def holds(self, value: Any) -> bool:
        """Whether the value can be proposed."""
        return value in self.choices if self.choices else self.low <= value <= self.high

    def at(self, share: float) -> Any:
        """The value at a coordinate in [0, 1]."""
        if self.choices:
            return self.choices[min(int(share * len(self.choices)), len(self.choices) - 1)]
        if self.log:
            return self.rounded(self.low * (self.high / self.low) ** share)
        return self.rounded(self.low + (self.high - self.low) * share)

    def rounded(self, value: Any) -> Any:
        """A number to four digits, within its range: more make no difference, and would have to be written."""
        return value if self.choices else min(max(float(f"{value:.4g}"), self.low), self.high)

    def times(self, share, factor):
        """Coordinates [P] of the values at `share` [P] times `factor` [P]; of choices, of the one before or behind."""
        if self.choices:
            place = jnp.minimum(jnp.floor(share * len(self.choices)), len(self.choices) - 1)
            return (place + jnp.where(factor > 1, 1.5, -0.5)) / len(self.choices)
        if self.log:
            return share + jnp.log(factor) / math.log(self.high / self.low)
        return (factor * (self.low + (self.high - self.low) * share) - self.low) / (self.high - self.low)


Space = tuple[Axis, ...]


def parsed(card: Card, texts: Sequence[str]) -> Space:
    """The space in texts of the form NAME=LOW:HIGH[:log] or NAME=A,B,C; InputError for anything else.

    Only numbers of the card have ranges; all else, such as `width`, changes its program and has choices.
    """
    if not texts:
        raise InputError(f"no space is given; {FORM}")
    found: dict[str, Axis] = {}
    for text in texts:
        name, sign, values = text.partition("=")
        if not sign or not name or not values:
            raise InputError(f"--space {text!r} is of another form; {FORM}")
        known(f"setting of {card.name}", name, suites.names_of(card.name) - {"env_steps"})
        if name in found:
            raise InputError(f"--space {name} is given twice; keep one of them")
        found[name] = (_range if ":" in values else _choices)(card, name, values, text)
    return tuple(found.values())


def _range(card: Card, name: str, values: str, text: str) -> Axis:
    low, high, *rest = values.split(":")
    if rest not in ([], ["log"]):
        raise InputError(f"--space {text!r} is of another form; {FORM}")
    if name not in card.numbers():
        default = {**suites.defaults_of(card.name), "batch": card.batch}[name]
        raise InputError(
            f"{name} is no number of {card.name} but part of its program, and has no range; list values, as in "
            f"--space {name}={show(default)},{show(default if isinstance(default, bool) else 2 * default)}"
        )
    first, last = (_number(card, name, one, text) for one in (low, high))
    if not first < last:
        raise InputError(f"--space {text}: the lower bound {show(first)} is not below {show(last)}; {FORM}")
    if rest == ["log"] and first <= 0:
        raise InputError(f"--space {text}: a logarithm needs bounds above 0, and {show(first)} is not; leave out :log")
    return Axis(name, float(first), float(last), rest == ["log"], (), True)


def _choices(card: Card, name: str, values: str, text: str) -> Axis:
    found = tuple(_number(card, name, one, text) for one in values.split(","))
    if len(found) < 2 or len(set(found)) < len(found):
        raise InputError(f"--space {text}: list two values or more, none twice; what is fixed is given with --set")
    return Axis(name, 0.0, 0.0, False, found, name in card.numbers())


def _number(card: Card, name: str, text: str, whole: str) -> Any:
    """A value that the card takes; InputError otherwise."""
    value: Any
    try:
        value = text == "true" if text in ("true", "false") else float(text)
    except ValueError:
        raise InputError(f"--space {whole}: {text!r} is no number; {FORM}") from None
    suites.check(card.name, {name: value})
    default = {**suites.defaults_of(card.name), "batch": card.batch}[name]
    return value if isinstance(value, bool) else type(default)(value)


def defaults(card: Card, space: Space) -> dict[str, Any] | None:
    """The card's own values of what is searched; None where the space does not hold them all."""
    own = {**suites.defaults_of(card.name), "batch": card.batch}
    return {axis.name: own[axis.name] for axis in space} if all(axis.holds(own[axis.name]) for axis in space) else None


def text(values: dict[str, Any]) -> str:
    """Values as `name=1 other=2`."""
    return " ".join(f"{name}={value if isinstance(value, str) else f'{value:.4g}'}" for name, value in values.items())
