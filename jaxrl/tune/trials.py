"""Trials side by side: each over all seeds, those that share a program in one compiled call."""

import shutil
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jaxrl.core import hyper as records
from jaxrl.core.types import Task
from jaxrl.experiment import members, settings
from jaxrl.suites import show
from jaxrl.train.fit import SOUND
from jaxrl.tune.ground import Found, Ground
from jaxrl.tune.log import Entry
from jaxrl.tune.plans import Plan


class Asked(NamedTuple):
    """A trial that is to be trained on. parent: the trial whose place it takes, -1 for its own."""

    trial: int
    values: dict[str, Any]
    parent: int = -1


class Trials:
    """A batch of trials under way; a context that waits, when it ends, until all is on disk.

    values: of each trial, by which the batch is known again after a stop.
    """

    def __init__(self, plan: Plan, task: Task, batch: int, values: list[dict[str, Any]], say: Callable[[str], None]):
        self._plan, self._task, self._batch, self._values, self._say = plan, task, batch, values, say
        self._grounds: dict[str, Ground] = {}
        self._rows: dict[str, list[int]] = {}
        self._folder = plan.out / "checkpoints" / f"batch-{batch}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for ground in self._grounds.values():
            ground.close()

    def forget(self) -> None:
        """Delete what was kept for going on: the batch is over."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def advance(self, rung: int, asked: list[Asked], update: int, reached: int) -> list[Entry]:
        """Train the trials from `reached` updates to `update`, and evaluate them; in the order in which they came."""
        groups: dict[str, list[Asked]] = {}
        for one in asked:
            groups.setdefault(self._program(one.values), []).append(one)
        found = {}
        for name, group in groups.items():
            outcome = self._train(name, group, rung, update, reached)
            found |= {entry.trial: entry for entry in self._entries(group, outcome, rung, update)}
        return [found[one.trial] for one in asked]

    def _program(self, values: dict[str, Any]) -> str:
        """A name for what decides which program a trial needs."""
        parts = [f"{axis.name}-{show(values[axis.name])}" for axis in self._plan.space if not axis.traced]
        return "-".join(["program", *parts])

    def _train(self, name: str, group: list[Asked], rung: int, update: int, reached: int) -> Found:
        plan = self._plan
        ground = self._grounds.get(name) or self._ground(name, group[0].values)
        own = [{key: one.values[key] for key in one.values if key in plan.card.numbers()} for one in group]
        base = {key: value for key, value in plan.fixed.items() if key in plan.card.numbers()}
        who = members(plan.seeds, records.stack(*(plan.card.hyper(**{**base, **values}) for values in own)))
        rows = None
        if rung:
            count, before = len(plan.seeds), self._rows[name]
            places = [before.index(one.trial if one.parent < 0 else one.parent) for one in group]
            rows = np.concatenate([place * count + np.arange(count) for place in places])
        self._rows[name] = [one.trial for one in group]
        return ground.go(rung, who, update, rows, reached, self._say)

    def _ground(self, name: str, values: dict[str, Any]) -> Ground:
        plan = self._plan
        program = {axis.name: values[axis.name] for axis in plan.space if not axis.traced}
        options = {**plan.fixed, **program}
        chosen = settings(plan.card, {k: v for k, v in options.items() if k != "batch"}, options.get("batch"))
        identity = {**plan.identity(self._task), "batch": self._batch, "trials": self._values}
        self._grounds[name] = Ground(plan.card, self._task, chosen, plan.episodes, self._folder / name, identity)
        return self._grounds[name]

    def _entries(self, group: list[Asked], outcome: Found, rung: int, update: int) -> list[Entry]:
        shape = len(group), len(self._plan.seeds)
        references = self._task.references
        scores = references[0].score(outcome.returns) if references else outcome.returns
        scores, diverged, part = (np.asarray(x).reshape(shape) for x in (scores, outcome.diverged, outcome.part))
        entries = []
        for one, own, lost, parts in zip(group, scores, diverged != SOUND, part, strict=True):
            bad = lost | ~np.isfinite(own)
            value = None if bad.any() else float(own.mean())
            broken = str(parts[lost][0]) if lost.any() else "return" if bad.any() else ""
            entries.append(
                Entry(one.trial, self._batch, rung, update, one.values, value, int(bad.sum()), broken, one.parent)
            )
        return entries
