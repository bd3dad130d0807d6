"""Suites: which cards on which tasks, with which settings, for how many seeds and updates; TOML, checked whole."""

import fnmatch
import math
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxrl import registry
from jaxrl.core import paths
from jaxrl.core.check import InputError, known, positive
from jaxrl.core.types import Env, Given, Source, Spec
from jaxrl.experiment import phases, settings

FOLDER = "benchmarks/suites"
FORM = f"see {FOLDER}/quick.toml for the form"
COUNTS = ("seeds", "checkpoints", "episodes")
BUDGETS = ("updates", "env_steps")
"""What a run may spend: a suite gives one of them."""
KINDS = {str: "text", list: "a list in [ ]", dict: "a table of settings", int: "a whole number of at least 1"}


class Suite(NamedTuple):
    """A named benchmark. updates: of every run; 0 where `env_steps`, a budget of environment steps, decides for each.

    common: options of every card that has them; per_card: options by card name; overrides: tables with `card`, `task`
    (patterns) and options, later ones winning. Where the suite has a budget, `env_steps` is an option of online cards.
    without: (card, task) patterns of pairs that are left out. notes: printed with the table.
    """

    name: str
    title: str
    tasks: tuple[str, ...]
    cards: tuple[str, ...]
    updates: int
    env_steps: int
    seeds: int
    checkpoints: int
    episodes: int
    common: dict[str, Any] = {}
    per_card: dict[str, dict[str, Any]] = {}
    overrides: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    without: tuple[dict[str, str], ...] = ()


class Job(NamedTuple):
    """A card on a task with its options, among them perhaps `batch`, and the updates that the suite gives it."""

    card: str
    task: str
    options: dict[str, Any]
    updates: int


def names() -> list[str]:
    """Names of the suites that come with the project."""
    return sorted(path.stem for path in paths.shared(FOLDER).glob("*.toml"))


def read(name: str) -> Suite:
    """The suite of that name, or of a TOML file's path; InputError for anything in it that is unknown or ill-formed."""
    path = Path(name) if name.endswith(".toml") else paths.shared(FOLDER) / f"{known('suite', name, names())}.toml"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"suite file {path} cannot be read ({error}); {FORM}") from error
    suite = parsed(path.stem, table)
    everything = set().union(*(names_of(card) for card in suite.cards))
    for key in suite.common:
        known(f"setting in [common] of suite {suite.name}", key, everything)
    for card in suite.per_card:
        known(f"card with settings in suite {suite.name}", card, suite.cards)
    jobs(suite)
    for row in suite.overrides:
        if not any(matches(row, card, task) for card in suite.cards for task in suite.tasks):
            raise InputError(f"override {row} of suite {suite.name} is for no card and task of the suite; {FORM}")
    return suite


def parsed(name: str, table: dict[str, Any]) -> Suite:
    """The suite in a file's table; InputError for keys that are unknown, missing, or of a wrong type."""
    needed = {"title", "tasks", "cards", *COUNTS}
    for key in table:
        known(f"key of suite {name}", key, needed | {*BUDGETS, "common", "override", "card", "notes", "without"})
    for key in sorted(needed - table.keys()):
        raise InputError(f"suite {name} lacks {key!r}; {FORM}")
    if len(table.keys() & set(BUDGETS)) != 1:
        raise InputError(f"suite {name} must have either updates or env_steps; {FORM}")
    table = {"common": {}, "override": [], "card": {}, "notes": [], "without": [], **table}
    lists = {key: tuple(typed_list(name, key, table[key], str)) for key in ("tasks", "cards", "notes")}
    for key in ("tasks", "cards"):
        if not lists[key] or len(set(lists[key])) < len(lists[key]):
            raise InputError(f"{key} of suite {name} are {table[key]}; list at least one, and none twice")
    overrides = tuple(typed_list(name, "override", table["override"], dict))
    for row in overrides:
        for key in ("card", "task"):
            typed(name, f"{key} of an override", row.get(key, ""), str)
    without = tuple(typed_list(name, "without", table["without"], dict))
    for row in without:
        if row.keys() != {"card", "task"} or not all(isinstance(value, str) for value in row.values()):
            raise InputError(f"an entry of without of suite {name} is {row}; it must have a card and a task; {FORM}")
    per_card = typed(name, "card", table["card"], dict)
    return Suite(
        name,
        typed(name, "title", table["title"], str),
        **lists,
        **dict.fromkeys(BUDGETS, 0)
        | {key: count(name, key, table[key]) for key in (*BUDGETS, *COUNTS) if key in table},
        common=typed(name, "common", table["common"], dict),
        per_card={card: typed(name, f"card.{card}", row, dict) for card, row in per_card.items()},
        overrides=overrides,
        without=without,
    )


def count(suite: str, key: str, value: Any) -> int:
    """`value` if it is a whole number of at least 1; else an InputError."""
    return positive(f"{key} of suite {suite}", typed(suite, key, value, int))


def typed(suite: str, key: str, value: Any, kind: type) -> Any:
    """`value` if it is of that kind; else an InputError."""
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InputError(f"{key} of suite {suite} is {value!r}; it must be {KINDS[kind]}; {FORM}")
    return value


def typed_list(suite: str, key: str, value: Any, kind: type) -> list:
    """`value` if it is a list of things of that kind; else an InputError."""
    return [typed(suite, f"an entry of {key}", entry, kind) for entry in typed(suite, key, value, list)]


def remarks(name: str) -> list[str]:
    """Notes of the project's suite of that name; none for any other name."""
    return list(read(name).notes) if name in names() else []


def jobs(suite: Suite, extra: dict[str, Any] = {}) -> list[Job]:
    """Every card on every task but those left out, task by task; `extra` options win over the suite's."""
    for name in (*suite.cards, *suite.per_card):
        registry.card(name)
    pairs = [(card, task) for task in suite.tasks for card in suite.cards]
    return [job(suite, *pair, extra) for pair in pairs if not any(matches(row, *pair) for row in suite.without)]


def job(suite: Suite, card: str, task: str, extra: dict[str, Any] = {}) -> Job:
    """A card on a task, with the options and the updates that the suite gives it."""
    chosen = options(suite, card, task, extra)
    budget = chosen.pop("env_steps", suite.env_steps)
    check(card, chosen)
    if suite.updates:
        return Job(card, task, chosen, suite.updates)
    source = experience(card, chosen)
    updates = -(-(count(suite.name, "env_steps", budget) - source.before) // source.cost)
    if updates < 1:
        raise InputError(
            f"env_steps={budget} of suite {suite.name} are used up by the {source.before} warm-up steps of {card}; "
            "raise env_steps or lower warmup"
        )
    return Job(card, task, chosen, updates)


def experience(card: str, options: dict[str, Any]) -> Source:
    """The source of an online card at these options, of which only the costs can be used; else InputError."""
    entry = registry.card(card)
    if not entry.gathers:
        raise InputError(f"card {card} learns from data and takes no env_steps; give the suite updates instead")
    rest = {name: value for name, value in options.items() if name != "batch"}
    chosen = settings(entry, rest, options.get("batch"))
    # Any environment will do; this one's episodes end by time alone, as learners that imagine steps ask of a name.
    smallest = Env(Spec("PointMass", 1, 1, 1, "continuous" not in entry.actions), (), None, None)
    return phases(entry, smallest, chosen.batch, chosen.structure, chosen.collection)[-1].source(Given(None), None)


def options(suite: Suite, card: str, task: str, extra: dict[str, Any]) -> dict[str, Any]:
    """Options of a card on a task: common ones that it has, its own, matching overrides, then `extra` that it has."""
    owned = names_of(card)
    chosen = {name: value for name, value in suite.common.items() if name in owned}
    chosen |= suite.per_card.get(card, {})
    for row in suite.overrides:
        if matches(row, card, task):
            chosen |= {name: value for name, value in row.items() if name not in ("card", "task")}
    return chosen | {name: value for name, value in extra.items() if name in owned}


def matches(row: dict[str, Any], card: str, task: str) -> bool:
    """Whether an entry with patterns is for that card on that task."""
    return fnmatch.fnmatchcase(card, row.get("card", "*")) and fnmatch.fnmatchcase(task, row.get("task", "*"))


def names_of(card: str) -> set[str]:
    """Every option of a card in a suite: `batch` where it draws batches, `env_steps` where it is online."""
    entry = registry.card(card)
    special = ["batch"] * (entry.batch > 0) + ["env_steps"] * entry.gathers
    return {*special, *defaults_of(card)}


def defaults_of(card: str) -> dict[str, Any]:
    """Every option of a card but `batch`, and its default."""
    entry = registry.card(card)
    return {**entry.numbers(), **entry.structure(), **entry.collection(), **entry.preparation()}


def check(card: str, options: dict[str, Any]) -> None:
    """InputError where the options are not the card's, or a value is not what the option takes."""
    for name, value in options.items():
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise InputError(f"setting {name} of {card} is {value!r}; it must be true, false or a finite number")
    rest = {name: value for name, value in options.items() if name != "batch"}
    settings(registry.card(card), rest, options.get("batch"))


def check_extra(suite: Suite, extra: dict[str, Any]) -> None:
    """InputError for an option given from outside that no card of the suite has."""
    everything = set().union(*(names_of(card) for card in suite.cards))
    for name in extra:
        known(f"setting of suite {suite.name}", name, everything)


def canonical(card: str, chosen: dict[str, Any]) -> str:
    """Options that differ from the card's defaults as `a=1;b=2`, by name: a run's identity beside card and task."""
    defaults = {"batch": registry.card(card).batch, **defaults_of(card)}
    return ";".join(f"{name}={show(chosen[name])}" for name in sorted(chosen) if chosen[name] != defaults.get(name))


def show(value: Any) -> str:
    """A setting's value as text: true, false, or the shortest decimal of its float32: what programs see."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else f"{float(str(np.float32(value))):.9g}"
