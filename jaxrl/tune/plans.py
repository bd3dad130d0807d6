"""A tune as it was asked for, checked whole before anything is trained."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxrl import __version__, registry, suites
from jaxrl.core.card import Card
from jaxrl.core.check import InputError, known, positive
from jaxrl.core.types import Task
from jaxrl.experiment.options import typed
from jaxrl.tune import space as spaces
from jaxrl.tune.proposals import SAMPLERS, optuna
from jaxrl.tune.space import Space

SEARCHES = ("halving", "pbt")
SEED = 1000
"""The first seed of a search; those of `bench` count from 0, so that what is chosen is tested on others."""
GENERATIONS = 10
"""Rungs of population-based training."""


class Plan(NamedTuple):
    """What is searched, and how.

    fixed: settings common to all trials. updates: of each rung, increasing. sizes: trials of each batch. seeds: of
    every trial. eta: one of so many goes on. seed: of the sampler. out: folder of all that is written.
    """

    card: Card
    task: str
    space: Space
    fixed: dict[str, Any]
    updates: list[int]
    sizes: list[int]
    seeds: list[int]
    eta: int
    episodes: int
    sampler: str
    search: str
    seed: int
    out: Path

    def identity(self, task: Task) -> dict[str, Any]:
        """What a tune has to share with one that was stopped to go on from it, as JSON has it."""
        plain = self._asdict() | {"card": self.card.name}
        del plain["out"]
        machine = {"jaxrl": __version__, "jax": jax.__version__, "device": jax.devices()[0].device_kind}
        return json.loads(json.dumps({**plain, "data": task.version, **machine}))

    @property
    def total(self) -> int:
        """Updates of all trials and seeds, at most."""
        return sum(self._spent(size) for size in self.sizes) * len(self.seeds)

    def _spent(self, size: int) -> int:
        """Updates of a batch's trials, if none diverges."""
        spent = reached = 0
        for update in self.updates:
            spent, reached = spent + size * (update - reached), update
            size = max(size // self.eta, 1) if self.search == "halving" else size
        return spent


def plan(
    card: str,
    task: str,
    *,
    space: Sequence[str],
    trials: int,
    budget: int,
    out: str | Path,
    fixed: dict[str, Any] = {},
    seeds: int = 1,
    eta: int = 3,
    rungs: int | None = None,
    episodes: int = 10,
    sampler: str = "tpe",
    search: str = "halving",
    batch: int | None = None,
    seed: int = 0,
) -> Plan:
    """A search of a card's settings on a task, with at most `budget` updates for a trial.

    space: texts as `tune.space.parsed` takes them. rungs: evaluations after which trials are dropped (halving; default
    as many as leave one) or exchanged (pbt; default ten). batch: trials that are proposed at once, from what is known
    of earlier batches; default half of them for tpe. Raises InputError for whatever cannot be used.
    """
    entry = registry.card(card)
    axes = spaces.parsed(entry, space)
    both = sorted({axis.name for axis in axes} & fixed.keys())
    if both:
        raise InputError(f"{both[0]} is both searched and fixed; give --space {both[0]} or --set {both[0]}")
    own = {**suites.defaults_of(card), "batch": entry.batch}
    fixed = {name: typed(name, value, own[known(f"setting of {card}", name, own)]) for name, value in fixed.items()}
    suites.check(card, fixed)
    if not 0 <= seed < 2**31:
        raise InputError(f"seed is {seed}; it must be a whole number from 0 to {2**31 - 1}")
    known("sampler", sampler, SAMPLERS)
    trials, budget, eta = positive("trials", trials), positive("budget", budget), positive("eta", eta)
    if known("search", search, SEARCHES) == "pbt":
        updates, sizes = generations(axes, trials, budget, rungs), [trials]
    else:
        optuna()
        sizes = batches(trials, eta, batch, sampler)
        updates = ladder(max(sizes), eta, budget, rungs)
    return Plan(
        entry, task, axes, fixed, updates, sizes, [SEED + i for i in range(positive("seeds", seeds))], eta,
        positive("episodes", episodes), sampler, search, int(seed), Path(out),
    )  # fmt: skip


def batches(trials: int, eta: int, batch: int | None, sampler: str) -> list[int]:
    """Trials of each batch, as even as can be; InputError where there are too few to drop any."""
    if eta < 2:
        raise InputError(f"eta is {eta}; it must be at least 2, for one of so many trials goes on")
    if trials < eta:
        raise InputError(
            f"{trials} trials are fewer than eta={eta}, of which one goes on; give more trials or less eta"
        )
    half = max(-(-trials // 2), eta) if sampler == "tpe" else trials
    size = half if batch is None else positive("batch", batch)
    if size < eta:
        raise InputError(f"a batch of {size} is smaller than eta={eta}, of which one goes on; give a larger --batch")
    return [len(part) for part in np.array_split(np.arange(trials), max(trials // size, 1))]


def ladder(size: int, eta: int, budget: int, rungs: int | None) -> list[int]:
    """Updates of each rung, `eta` times those of the one before; the last has the budget."""
    count = int(math.log(size) / math.log(eta) + 1e-9) + 1 if rungs is None else positive("rungs", rungs)
    most = int(math.log(budget) / math.log(eta) + 1e-9) + 1
    if count > most and rungs is not None:
        raise InputError(
            f"{rungs} rungs, each of {eta} times the updates of the one before, do not fit a budget of {budget} "
            f"updates; at most {most} do"
        )
    return [round(budget / eta ** (min(count, most) - 1 - rung)) for rung in range(min(count, most))]


def generations(axes: Space, trials: int, budget: int, rungs: int | None) -> list[int]:
    """Updates at which a population exchanges its members; InputError where it cannot."""
    for axis in axes:
        if not axis.traced:
            raise InputError(
                f"{axis.name} changes the compiled program, and members of a population copy each other; search it "
                "with --search halving"
            )
    if trials < 2:
        raise InputError(f"a population of {trials} has nobody to copy; give at least 2 trials")
    count = min(GENERATIONS, budget) if rungs is None else positive("rungs", rungs)
    if count > budget:
        raise InputError(f"{count} rungs do not fit a budget of {budget} updates; give fewer")
    return [budget * (i + 1) // count for i in range(count)]
