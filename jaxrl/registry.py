"""Every card, wrapper and procedure in the package, by name. Nothing registers itself; the folder is the list."""

import functools
import importlib
import itertools
import pkgutil
from types import MappingProxyType, ModuleType

from jaxrl.core.card import Card, Procedure, Wrapper
from jaxrl.core.check import known


@functools.cache
def modules() -> MappingProxyType[str, ModuleType]:
    """{card's name: module}, for each module under `jaxrl.algorithms` and `jaxrl.ope` that ends with a CARD."""
    import jaxrl.algorithms as systems
    import jaxrl.ope as estimators

    found: dict[str, ModuleType] = {}
    walks = (pkgutil.walk_packages(root.__path__, f"{root.__name__}.") for root in (systems, estimators))
    for info in itertools.chain(*walks):
        module = importlib.import_module(info.name)
        own = getattr(module, "CARD", None)
        if own is None:
            continue
        if own.name in found or own.name != info.name.rsplit(".", 1)[-1]:
            raise ValueError(f"{info.name}: the card's name {own.name!r} is taken or not the file's name")
        found[own.name] = module
    return MappingProxyType(found)


@functools.cache
def cards() -> MappingProxyType[str, Card]:
    """{name: Card} of all cards."""
    return MappingProxyType({name: m.CARD for name, m in modules().items() if isinstance(m.CARD, Card)})


@functools.cache
def wrappers() -> MappingProxyType[str, Wrapper]:
    """{name: Wrapper} of all changes to cards."""
    return MappingProxyType({name: m.CARD for name, m in modules().items() if isinstance(m.CARD, Wrapper)})


@functools.cache
def procedures() -> MappingProxyType[str, Procedure]:
    """{name: Procedure} of all systems that are plain functions."""
    return MappingProxyType({name: m.CARD for name, m in modules().items() if isinstance(m.CARD, Procedure)})


@functools.cache
def card(name: str) -> Card:
    """The card called `name`, or for `WRAPPER+CARD` the changed one; InputError with the nearest name otherwise."""
    outer, plus, inner = name.partition("+")
    if not plus:
        return cards()[known("card", name, cards())]
    return wrappers()[known("wrapper of cards", outer, wrappers())].wrap(card(inner))._replace(name=name)


def family(name: str) -> str:
    """The folder that a card's or wrapper's file lies in; for a wrapped card, the inner one's."""
    return modules()[name.split("+")[-1]].__name__.split(".")[-2]
