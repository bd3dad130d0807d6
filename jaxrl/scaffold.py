"""A new card's file, written from a parent's: equal to it at the start, so that it passes the contract tests."""

import datetime
import keyword
import re
from pathlib import Path
from types import ModuleType

from jaxrl import registry
from jaxrl.core.card import Card
from jaxrl.core.check import InputError, known
from jaxrl.core.paths import PACKAGE

TEMPLATE = '''"""{title}: {parent_title} with ... (say what differs, in terms of the parent).

Departures: none; unpublished.
"""

from {folder} import {parent} as parent
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import {types}


@hyper
class Hyper({hyper}):
    """The parent's numbers. Add your own, a line each: `idea_weight: float = 1.0`."""

{recipe}
def {name}({arguments}) -> {returns}:
    """Say what the networks are. To change what is learned, change the {change}."""
    return {make}({given}{passed})


PAPER = Paper("unpublished", "{title}", "Your Name", {year})
CARD = Card(
    "{name}",
    "{kind}",
    {name},
    Hyper,
    PAPER,
    actions=parent.CARD.actions,
    prepare=parent.CARD.prepare,
    needs=parent.CARD.needs,
    batch=parent.CARD.batch,
    collect=parent.CARD.collect,{online}
)
'''

BOUND = ("parent", "hyper")
"""Names that the file gives besides its own, in lower case."""

RECIPE = """
# A variant is the parent's recipe with a field replaced; hand it to `compose.actor_critic.actor_critic`.
RECIPE = parent.RECIPE

"""


def write(place: str, parent: str, root: Path = PACKAGE / "algorithms") -> Path:
    """Write FAMILY/NAME.py after the card `parent`; InputError for bad or taken names, unknown families and parents."""
    match = re.fullmatch(r"([a-z_]+)/([a-z][a-z0-9_]*)", place)
    if not match:
        raise InputError(f"name {place!r} is not of the form FAMILY/NAME in lower case, such as offline/my_idea")
    family, name = match.groups()
    known(
        "family of algorithms", family, [folder.name for folder in root.iterdir() if (folder / "__init__.py").exists()]
    )
    if keyword.iskeyword(name) or name in BOUND:
        raise InputError(f"card {name!r} would hide a name that its file uses; choose another name")
    path = root / family / f"{name}.py"
    if name in registry.cards() or path.exists():
        raise InputError(f"card {name!r} exists already; choose another name")
    contents = text(name, parent)
    try:
        path.write_text(contents, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror}); run `jaxrl new` in a checkout of your own"
        ) from None
    return path


def text(name: str, parent: str) -> str:
    """The file's contents."""
    card = registry.card(parent)
    module = registry.modules()[parent]
    options = card.structure()
    has_recipe, plan = hasattr(module, "RECIPE"), card.kind == "plan"
    return TEMPLATE.format(
        title=name.upper(),
        parent_title=parent.upper(),
        folder=module.__name__.rpartition(".")[0],
        parent=parent,
        hyper=named(module, card, "hyper"),
        recipe=RECIPE if has_recipe else "",
        name=name,
        kind=card.kind,
        types="Env, Phase" if plan else "Algorithm, Spec",
        returns="tuple[Phase, ...]" if plan else "Algorithm",
        arguments=arguments(["env: Env", "batch: int"] if plan else ["spec: Spec"], options),
        given="env, batch" if plan else "spec",
        online="\n    online=parent.CARD.online," if plan else "",
        change="recipe" if has_recipe else "parts (copy the parent's factory)",
        make=named(module, card, "make"),
        passed="".join(f", {key}={key}" for key in options),
        year=datetime.date.today().year,
    )


def arguments(given: list[str], options: dict) -> str:
    """The factory's arguments, one a line."""
    rows = [f"    {key}: {type(value).__name__} = {value!r}," for key, value in options.items()]
    return "\n".join(["", *(f"    {one}," for one in given), "    *,", *rows, ""]) if rows else ", ".join(given)


def named(module: ModuleType, card: Card, field: str) -> str:
    """How the new file calls the parent's record or factory: by its name, or by the card where it lies elsewhere."""
    value = getattr(card, field)
    own = getattr(module, value.__name__, None) is value
    return f"parent.{value.__name__}" if own else f"parent.CARD.{field}"
