"""Suites: which cards on which tasks, with which settings, for how many seeds and updates; TOML, checked whole."""

import fnmatch
import math
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from jaxrl import registry
from jaxrl.core import paths
from jaxrl.core.check import InputError, known, positive
from jaxrl.experiment import settings

FOLDER = "benchmarks/suites"
FORM = f"see {FOLDER}/quick.toml for the form"
COUNTS = ("updates", "seeds", "checkpoints", "episodes")
KINDS = {str: "text", list: "a list in [ ]", dict: "a table of settings", int: "a whole number of at least 1"}


class Suite(NamedTuple):
    """A named benchmark. common: options of every card that has them; per_card: options by card name;
    overrides: tables with `card`, `task` (patterns) and options, later ones winning. notes: printed with the table."""

    name: str
    title: str
    tasks: tuple[str, ...]
    cards: tuple[str, ...]
    updates: int
    seeds: int
    checkpoints: int
    episodes: int
    common: dict[str, Any] = {}
    per_card: dict[str, dict[str, Any]] = {}
    overrides: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()


class Job(NamedTuple):
    """A card on a task with its options, among them perhaps `batch`."""

    card: str
    task: str
    options: dict[str, Any]


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
    everything = set().union(*(names_of(known("card", card, registry.cards())) for card in suite.cards))
    for key in suite.common:
        known(f"setting in [common] of suite {suite.name}", key, everything)
    for card in suite.per_card:
        known(f"card with settings in suite {suite.name}", card, suite.cards)
    for job in jobs(suite):
        check(job)
    for row in suite.overrides:
        if not any(matches(row, card, task) for card in suite.cards for task in suite.tasks):
            raise InputError(f"override {row} of suite {suite.name} is for no card and task of the suite; {FORM}")
    return suite


def parsed(name: str, table: dict[str, Any]) -> Suite:
    """The suite in a file's table; InputError for keys that are unknown, missing, or of a wrong type."""
    needed = {"title", "tasks", "cards", *COUNTS}
    for key in table:
        known(f"key of suite {name}", key, needed | {"common", "override", "card", "notes"})
    for key in sorted(needed - table.keys()):
        raise InputError(f"suite {name} lacks {key!r}; {FORM}")
    table = {"common": {}, "override": [], "card": {}, "notes": [], **table}
    lists = {key: tuple(typed_list(name, key, table[key], str)) for key in ("tasks", "cards", "notes")}
    for key in ("tasks", "cards"):
        if not lists[key] or len(set(lists[key])) < len(lists[key]):
            raise InputError(f"{key} of suite {name} are {table[key]}; list at least one, and none twice")
    overrides = tuple(typed_list(name, "override", table["override"], dict))
    for row in overrides:
        for key in ("card", "task"):
            typed(name, f"{key} of an override", row.get(key, ""), str)
    per_card = typed(name, "card", table["card"], dict)
    return Suite(
        name,
        typed(name, "title", table["title"], str),
        **lists,
        **{key: positive(f"{key} of suite {name}", typed(name, key, table[key], int)) for key in COUNTS},
        common=typed(name, "common", table["common"], dict),
        per_card={card: typed(name, f"card.{card}", row, dict) for card, row in per_card.items()},
        overrides=overrides,
    )


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
    """Every card on every task, task by task; `extra` options win over the suite's."""
    for name in (*suite.cards, *suite.per_card):
        known("card", name, registry.cards())
    return [Job(card, task, options(suite, card, task, extra)) for task in suite.tasks for card in suite.cards]


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
    """Whether an override is for that card on that task."""
    return fnmatch.fnmatchcase(card, row.get("card", "*")) and fnmatch.fnmatchcase(task, row.get("task", "*"))


def names_of(card: str) -> set[str]:
    """Every option of a card, and `batch`."""
    entry = registry.card(card)
    return {"batch", *entry.numbers(), *entry.structure(), *entry.preparation()}


def check(job: Job) -> None:
    """InputError where the job's options are not the card's, or a value is not what the option takes."""
    for name, value in job.options.items():
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise InputError(f"setting {name} of {job.card} is {value!r}; it must be true, false or a finite number")
    rest = {name: value for name, value in job.options.items() if name != "batch"}
    settings(registry.card(job.card), rest, job.options.get("batch"))


def check_extra(suite: Suite, extra: dict[str, Any]) -> None:
    """InputError for an option given from outside that no card of the suite has."""
    everything = set().union(*(names_of(card) for card in suite.cards))
    for name in extra:
        known(f"setting of suite {suite.name}", name, everything)


def canonical(card: str, chosen: dict[str, Any]) -> str:
    """Options that differ from the card's defaults as `a=1;b=2`, by name: a run's identity beside card and task."""
    entry = registry.card(card)
    defaults = {"batch": entry.batch, **entry.numbers(), **entry.structure(), **entry.preparation()}
    return ";".join(f"{name}={show(chosen[name])}" for name in sorted(chosen) if chosen[name] != defaults.get(name))


def show(value: Any) -> str:
    """A setting's value as text: true, false, or the shortest number."""
    return str(value).lower() if isinstance(value, bool) else f"{value:.7g}"
