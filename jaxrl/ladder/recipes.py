"""Recipes of trained datasets: which card learns in which environment, for how long, and how much is recorded."""

import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from jaxrl import registry
from jaxrl.core import paths
from jaxrl.core.check import InputError, known, positive
from jaxrl.experiment import settings

FOLDER = "datasets/recipes/trained"
QUALITIES = ("random", "medium", "medium-replay", "medium-expert", "expert", "full-replay")
"""D4RL's ladder (arXiv:2004.07219, appendix): untrained, a third of the expert's return, all experience up to there,
medium and expert together, the best policy, all experience."""
TEXTS = ("environment", "card")
COUNTS = {"seed": 0, "env_steps": 1, "snapshots": 2, "steps": 1, "episodes": 1, "reference_episodes": 100}
"""Keys that hold whole numbers, and the smallest value of each."""


class Recipe(NamedTuple):
    """One ladder. env_steps: of training, in all environments together. snapshots: policies kept on the way, evenly.

    steps: of each dataset but the replays, in whole episodes. episodes: of the evaluation that ranks a snapshot.
    reference_episodes: of either reference return. settings: options of the card, `batch` among them.
    """

    name: str
    environment: str
    card: str
    seed: int
    env_steps: int
    snapshots: int
    steps: int
    episodes: int
    reference_episodes: int
    settings: dict[str, Any]

    @property
    def ids(self) -> list[str]:
        """Ids of its datasets, in the order of the ladder."""
        return [f"trained/{self.name}-{quality}-v0" for quality in QUALITIES]


def names() -> list[str]:
    """Names of the recipes that come with the project."""
    return sorted(file.stem for file in paths.shared(FOLDER).glob("*.toml"))


def recipe_of(dataset_id: str) -> str | None:
    """Name of the recipe that makes the dataset of that id; None for any other id."""
    return next((name for name in names() for q in QUALITIES if dataset_id == f"trained/{name}-{q}-v0"), None)


def read(name: str, accelerated: bool = False) -> Recipe:
    """The recipe of that name, or in a TOML file of that path; InputError for whatever in it cannot be used.

    accelerated: whether its table [accelerator] replaces keys and settings, for machines where MuJoCo runs in JAX.
    """
    path = Path(name) if name.endswith(".toml") else paths.shared(FOLDER) / f"{known('recipe', name, names())}.toml"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"recipe {path} cannot be read ({error}); see {FOLDER}/pendulum.toml for the form") from error
    other = section(path.stem, table, "accelerator")
    if accelerated:
        table |= other
    return parsed(path.stem, table)


def section(name: str, table: dict[str, Any], key: str) -> dict[str, Any]:
    """Takes a table out of a recipe's; InputError where it is none, or holds unknown keys."""
    found = table.pop(key, {})
    if not isinstance(found, dict):
        raise InputError(f"{key} of recipe {name} is {found!r}; it must be a table")
    for one in found:
        known(f"key in [{key}] of recipe {name}", one, (*TEXTS, *COUNTS, "settings"))
    return found


def parsed(name: str, table: dict[str, Any]) -> Recipe:
    """The recipe in a file's table; InputError for keys that are unknown, missing, or of a wrong kind."""
    needed = (*TEXTS, *COUNTS)
    for key in table:
        known(f"key of recipe {name}", key, (*needed, "settings"))
    for key in needed:
        if key not in table:
            raise InputError(f"recipe {name} lacks {key!r}; see {FOLDER}/pendulum.toml for the form")
    for key in TEXTS:
        if not isinstance(table[key], str):
            raise InputError(f"{key} of recipe {name} is {table[key]!r}; it must be text")
    numbers = {key: whole(name, key, table[key], least) for key, least in COUNTS.items()}
    options = table.get("settings", {})
    if not isinstance(options, dict):
        raise InputError(f"settings of recipe {name} are {options!r}; they must be a table")
    card = registry.card(table["card"])
    if card.kind != "online":
        raise InputError(f"card {card.name!r} of recipe {name} learns from data; name an online one, see `jaxrl list`")
    settings(card, {key: value for key, value in options.items() if key != "batch"}, options.get("batch"))
    return Recipe(name, table["environment"], card.name, **numbers, settings=options)


def whole(name: str, key: str, value: Any, least: int) -> int:
    """`value` if it is a whole number of at least `least`; else an InputError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{key} of recipe {name} is {value!r}; it must be a whole number of at least {least}")
    return value if key == "seed" else positive(key, value)
