"""D5RL's test of sub-tasks in orders never seen (arXiv:2408.08441), on four rooms with a site to visit in each.

Held-out orders are of two kinds: those made of pairs of successive sites that the data hold, only never in this order,
and those with a pair that is new. Departures: `envs.errands` in place of the Franka kitchen.
"""

import functools
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxrl import tasks
from jaxrl.core.check import InputError
from jaxrl.core.types import Dataset, Env, Policy, Task
from jaxrl.data.dataset import fingerprint
from jaxrl.envs import errands, scripted
from jaxrl.protocols import conditions
from jaxrl.protocols.conditions import check_apart, hashes

Order = tuple[int, ...]

TRAIN: tuple[Order, ...] = ((0, 1, 2), (1, 3, 2), (2, 0, 1), (3, 2, 0))
"""Of the 24 orders of three of the four sites: those in the data unless others are named."""


class Orders(NamedTuple):
    """train: in the data. recombined: held out, of pairs that the data hold; new: held out, with a pair that is new."""

    train: tuple[Order, ...]
    recombined: tuple[Order, ...]
    new: tuple[Order, ...]


def held_out(train: Sequence[Order] = TRAIN) -> Orders:
    """Every other order of as many sites, sorted by whether the data hold all its pairs. InputError for bad orders."""
    errands.checked(train)
    given = tuple(tuple(one) for one in train)
    rest = [one for one in itertools.permutations(range(len(errands.NAMES)), len(given[0])) if one not in given]
    seen = set().union(*map(pairs, given))
    kinds = [tuple(one for one in rest if (pairs(one) <= seen) is kind) for kind in (True, False)]
    found = Orders(given, *kinds)
    check_apart("orders", found._asdict())
    return found


def pairs(order: Order) -> set[tuple[int, int]]:
    """Sites that follow one another; -1 stands for the start."""
    return set(itertools.pairwise((-1, *order)))


def environment(orders: Sequence[Order]) -> Env:
    """The environment that asks for these orders."""
    return tasks.known_environment("Errands-v0")._replace(params=errands.Errands(errands.checked(orders)))


def asked(obs) -> np.ndarray:
    """The sites that each observation [N, D] still asks for, [N, K S] one-hot."""
    return np.asarray(obs)[:, len(errands.MAP.cells) :]


def sealed(orders: Orders, dataset: Dataset) -> Dataset:
    """The dataset, if none of its rows asks for a held-out order; else InputError."""
    one_hot = np.eye(len(errands.NAMES), dtype=np.float32)
    held = hashes(np.stack([one_hot[list(one)].reshape(-1) for one in (*orders.recombined, *orders.new)]))
    for name in ("obs", "next_obs"):
        found = hashes(asked(getattr(dataset.steps, name))) & held
        if found:
            raise InputError(f"{name} of the data asks for {len(found)} of the held-out orders; leave them out")
    return dataset


def task(key, orders: Orders, *, steps: int = 20_000, stray: float = 0.0, noise: float = 0.0) -> Task:
    """Data of a walker on the orders to train on; a score is the share of sub-tasks in per cent, less random moves'.

    stray: how often it walks to a site that was not asked for. noise: share of random moves.
    """
    env = environment(orders.train)
    behaviour = scripted.noisy(errands.distracted(stray), env.spec, noise)
    dataset = sealed(orders, conditions.recorded(key, env, behaviour, steps))
    return conditions.task("made/errands-v0", env, dataset, conditions.reference(env, *ends()))


@functools.cache
def ends() -> tuple[Policy, Policy]:
    """The policies of scores 0 and 100, the same objects at every call."""
    return scripted.random(tasks.known_environment("Errands-v0").spec), errands.expert()


def with_next_site(task: Task) -> Task:
    """The task for learners that draw goals in hindsight: the data show cells alone, and the environment a cell and
    the cell of the next site."""
    cells = len(errands.MAP.cells)
    steps = task.dataset.steps
    dataset = task.dataset._replace(steps=steps._replace(obs=steps.obs[:, :cells], next_obs=steps.next_obs[:, :cells]))
    env = _next_site()._replace(params=task.env.params)
    return task._replace(env=env, dataset=dataset, version=fingerprint(dataset))


@functools.cache
def _next_site() -> Env:
    return errands.errands(shown="next")


def completed(card: str, task: Task, orders: Orders, **settings) -> dict[str, np.ndarray]:
    """Train once, test on each kind of order: name -> share of sub-tasks completed [K], after the last update.

    settings: as of `conditions.evaluated`. A kind of order that there is none of is left out.
    """
    size = max(len(one) for one in orders)
    # Lists of one length share a compiled program.
    kinds = {name: [one[i % len(one)] for i in range(size)] for name, one in orders._asdict().items() if one}
    params = {name: errands.Errands(errands.checked(one)) for name, one in kinds.items()}
    found = conditions.evaluated(card, task, params, **settings)
    return {name: found.mean(name)[:, -1] / len(orders.train[0]) for name in params}
