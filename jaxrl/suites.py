"""Suites: which cards on which tasks, with which settings, for how many seeds and updates. Read from TOML, checked whole."""

import fnmatch
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from jaxrl import registry
from jaxrl.core import paths
from jaxrl.core.check import InputError, known, positive
from jaxrl.experiment import settings

FOLDER = "benchmarks/suites"


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
    """The suite of that name, or of a TOML file's path; InputError for anything in it that is unknown."""
    path = Path(name) if name.endswith(".toml") else paths.shared(FOLDER) / f"{known('suite', name, names())}.toml"
    try:
        table = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"suite file {path} cannot be read ({error}); see {FOLDER}/quick.toml for the form") from error
    table = {"common": {}, "override": [], "card": {}, "notes": [], **table}
    needed = {"title", "tasks", "cards", "updates", "seeds", "checkpoints", "episodes"}
    for key in table:
        known(f"key of suite {path.stem}", key, needed | {"common", "override", "card", "notes"})
    for key in sorted(needed - table.keys()):
        raise InputError(f"suite {path.stem} lacks {key!r}; see {FOLDER}/quick.toml for the form")
    counts = {key: positive(f"{key} of suite {path.stem}", table[key]) for key in ("updates", "seeds", "checkpoints", "episodes")}
    suite = Suite(
        path.stem, table["title"], tuple(table["tasks"]), tuple(table["cards"]), **counts,
        common=table["common"], per_card=table["card"], overrides=tuple(table["override"]), notes=tuple(table["notes"]),
    )  # fmt: skip
    for job in jobs(suite):
        check(job)
    return suite


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
        if fnmatch.fnmatch(card, row.get("card", "*")) and fnmatch.fnmatch(task, row.get("task", "*")):
            chosen |= {name: value for name, value in row.items() if name not in ("card", "task")}
    return chosen | {name: value for name, value in extra.items() if name in owned}


def names_of(card: str) -> set[str]:
    """Every option of a card, and `batch`."""
    entry = registry.card(card)
    return {"batch", *entry.numbers(), *entry.structure(), *entry.preparation()}


def check(job: Job) -> None:
    """InputError where the job's options are not the card's."""
    rest = {name: value for name, value in job.options.items() if name != "batch"}
    settings(registry.card(job.card), rest, job.options.get("batch"))


def check_extra(suite: Suite, extra: dict[str, Any]) -> None:
    """InputError for an option given from outside that no card of the suite has."""
    everything = set().union(*(names_of(card) for card in suite.cards))
    for name in extra:
        known(f"setting of suite {suite.name}", name, everything)


def canonical(card: str, chosen: dict[str, Any]) -> str:
    """Options that differ from the card's defaults as `a=1;b=2`, in order of name: a run's identity beside card and task."""
    entry = registry.card(card)
    defaults = {"batch": entry.batch, **entry.numbers(), **entry.structure(), **entry.preparation()}
    return ";".join(f"{name}={show(chosen[name])}" for name in sorted(chosen) if chosen[name] != defaults.get(name))


def show(value: Any) -> str:
    """A setting's value as text: true, false, or the shortest number."""
    return str(value).lower() if isinstance(value, bool) else f"{value:.7g}"
