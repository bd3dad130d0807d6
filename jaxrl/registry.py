"""Every card in the package, by name. Nothing registers itself; the folder is the list."""

import functools
import importlib
import pkgutil
from types import MappingProxyType

from jaxrl.core.card import Card
from jaxrl.core.check import known


@functools.cache
def cards() -> MappingProxyType[str, Card]:
    """{name: Card}, from each module under `jaxrl.algorithms` that ends with a CARD."""
    import jaxrl.algorithms as root

    found: dict[str, Card] = {}
    for info in pkgutil.walk_packages(root.__path__, f"{root.__name__}."):
        found_card = getattr(importlib.import_module(info.name), "CARD", None)
        if found_card is None:
            continue
        if found_card.name in found or found_card.name != info.name.rsplit(".", 1)[-1]:
            raise ValueError(f"{info.name}: the card's name {found_card.name!r} is taken or not the file's name")
        found[found_card.name] = found_card
    return MappingProxyType(found)


def card(name: str) -> Card:
    """The card called `name`; InputError with the nearest name otherwise."""
    return cards()[known("card", name, cards())]


def family(name: str) -> str:
    """The folder that a card's file lies in."""
    return cards()[name].make.__module__.split(".")[-2]
