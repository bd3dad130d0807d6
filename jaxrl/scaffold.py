"""A new card's file, written from a parent's and equal to it at the start, so that it passes the contract tests."""

import datetime
import re
from pathlib import Path

from jaxrl import registry
from jaxrl.core.check import InputError, known
from jaxrl.core.paths import PACKAGE

TEMPLATE = '''"""{title}: {parent_title} with ... (say what differs, in terms of the parent).

Departures: none; unpublished.
"""

{imports}


@hyper
class Hyper(parent.Hyper):
    """The parent's numbers. Add your own, a line each: `idea_weight: float = 1.0`."""

{recipe}
def {name}(spec: Spec{keywords}) -> Algorithm:
    """Say what the networks are. To change what is learned, change the {change}."""
    return parent.{make}(spec{passed})


PAPER = Paper("unpublished", "{title}", "Your Name", {year})
CARD = Card("{name}", "offline", {name}, Hyper, PAPER, {rest})
'''

RECIPE = '''
# A variant is the parent's recipe with a field replaced; hand it to `compose.actor_critic.actor_critic`.
RECIPE = parent.RECIPE

'''


def write(place: str, parent: str, root: Path = PACKAGE / "algorithms") -> Path:
    """Write FAMILY/NAME.py after the card `parent`; InputError for a bad or taken name or an unknown family."""
    match = re.fullmatch(r"([a-z_]+)/([a-z][a-z0-9_]*)", place)
    if not match:
        raise InputError(f"name {place!r} is not of the form FAMILY/NAME in lower case, such as offline/my_idea")
    family, name = match.groups()
    families = [folder.name for folder in root.iterdir() if (folder / "__init__.py").exists()]
    known("family of algorithms", family, families)
    path = root / family / f"{name}.py"
    if name in registry.cards() or path.exists():
        raise InputError(f"card {name!r} exists already; choose another name")
    path.write_text(text(name, parent))
    return path


def text(name: str, parent: str) -> str:
    """The file's contents."""
    card = registry.card(parent)
    module = card.make.__module__
    folder, file = module.rsplit(".", 1)
    options = card.structure()
    keywords = "".join(f", {key}: {type(value).__name__} = {value!r}" for key, value in options.items())
    has_recipe = hasattr(__import__(module, fromlist=["RECIPE"]), "RECIPE")
    imports = [
        f"from {folder} import {file} as parent",
        "from jaxrl.core.card import Card, Paper",
        "from jaxrl.core.hyper import hyper",
        "from jaxrl.core.types import Algorithm, Spec",
    ]
    return TEMPLATE.format(
        title=name.upper(),
        parent_title=parent.upper(),
        imports="\n".join(imports),
        recipe=RECIPE if has_recipe else "",
        name=name,
        keywords=f", *{keywords}" if keywords else "",
        change="recipe" if has_recipe else "parts (copy the parent's factory)",
        make=card.make.__name__,
        passed="".join(f", {key}={key}" for key in options),
        year=datetime.date.today().year,
        rest=f"actions={card.actions!r}, prepare=parent.CARD.prepare, batch={card.batch}",
    )
