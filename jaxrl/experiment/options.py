"""What a user asked for, checked and sorted: a card's options, seeds, numbers, checkpoints, the task as prepared."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.core import hyper as records
from jaxrl.core.card import Card
from jaxrl.core.check import InputError, known, positive
from jaxrl.core.types import Env, Task
from jaxrl.data.dataset import size


class Settings(NamedTuple):
    """A card's options sorted by what they change: the data, the program, the numbers, how experience is gathered.

    batch: rows of a drawn batch; 0 where a card learns from whole rollouts.
    """

    preparation: dict[str, Any]
    structure: dict[str, Any]
    numbers: dict[str, float]
    collection: dict[str, Any]
    batch: int


def settings(card: Card, options: dict[str, Any], batch: int | None = None) -> Settings:
    """Options by name, each to where the card takes it; InputError that suggests the nearest for an unknown one."""
    places = card.preparation(), card.structure(), card.numbers(), card.collection()
    names = {name for place in places for name in place}
    for name in options:
        known(f"setting of {card.name}", name, names)
    chosen = [{name: typed(name, options[name], place[name]) for name in options if name in place} for place in places]
    for name, value in {**chosen[1], **chosen[3]}.items():
        if isinstance(value, int) and not isinstance(value, bool) and name not in ("depth", "warmup"):
            positive(f"setting {name}", value)
    if card.batch == 0 and batch is not None:
        raise InputError(f"card {card.name} learns from whole rollouts; set envs and length instead of batch={batch!r}")
    return Settings(*chosen, batch=card.batch if batch is None else positive("batch", batch))


def typed(name: str, value: Any, default: Any) -> Any:
    """`value` as the type of its default; InputError where that cannot be."""
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise InputError(f"setting {name}={value!r} must be true or false")
        return value
    try:
        number = type(default)(value)
    except (TypeError, ValueError):
        number = None
    if number is None or isinstance(value, bool) or number != value or not np.isfinite(number):
        raise InputError(f"setting {name}={value!r} must be a finite {type(default).__name__}, such as {default!r}")
    return number


def chosen_seeds(seeds: int | list[int]) -> list[int]:
    """0, 1, ... for a count, or the list itself; InputError for none, negative ones and repeated ones."""
    if isinstance(seeds, int | float):
        return list(range(positive("seeds", seeds)))
    found = [int(seed) for seed in seeds]
    if not found or min(found) < 0 or len(set(found)) < len(found):
        raise InputError(f"seeds are {found}; give at least one, none negative and none twice")
    return found


def chosen_hypers(card: Card, numbers: dict[str, float], hypers):
    """Stacked records: those given, else one of the card's numbers with the chosen ones replaced."""
    if hypers is None:
        return records.stack(card.hyper(**numbers))
    if numbers:
        raise InputError(f"{', '.join(numbers)} given both in hypers and as options; put every number into jaxrl.grid")
    if not isinstance(hypers, card.hyper):
        raise InputError(f"hypers are of {type(hypers).__module__}, not of card {card.name}; make them with jaxrl.grid")
    return jax.tree.map(lambda x: jnp.atleast_1d(jnp.asarray(x, jnp.float32)), hypers)


def stretches(updates: int, every: int | None, first: bool = False) -> list[int]:
    """Counts of updates at which to evaluate; the last is `updates`, the `first` perhaps none."""
    every = max(updates // 10, 1) if every is None else positive("evaluate_every", every)
    return [*[0][: int(first)], *range(every, updates, every), updates]


def prepared(card: Card, task: Task, chosen: Settings) -> Task:
    """The task as the card wants it; InputError where there is no data or less than a batch.

    An online card gets the task's environment without its data. InputError too for a plan that gathers experience
    where the environment is on the host.
    """
    if card.kind == "online":
        return card.prepare(task._replace(dataset=None, version=""), **chosen.preparation)
    if card.online and not isinstance(task.env, Env):
        raise InputError(
            f"card {card.name} gathers experience inside the compiled program, but {task.env.spec.name} runs on the "
            "host here; use a task whose environment is in JAX, or an accelerator"
        )
    if task.dataset is None:
        raise InputError(
            f"card {card.name} learns from data and task {task.name} has none; load a dataset with jaxrl.load"
        )
    if chosen.batch > size(task.dataset):
        raise InputError(
            f"batch of {chosen.batch} is larger than dataset {task.name} with {size(task.dataset)} steps; "
            "choose a smaller one"
        )
    return card.prepare(task, **chosen.preparation)
