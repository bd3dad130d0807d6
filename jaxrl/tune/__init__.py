"""The search for a card's settings on a task: trials in one compiled call, the best of them trained on."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax

from jaxrl import jobs
from jaxrl.core import compilation, files
from jaxrl.core.card import check_actions
from jaxrl.core.check import InputError
from jaxrl.core.lock import claimed
from jaxrl.core.types import Task
from jaxrl.tune.evolution import evolve
from jaxrl.tune.halving import halve
from jaxrl.tune.log import Entry, Log, suite
from jaxrl.tune.plans import Plan, plan

__all__ = ["Entry", "Plan", "Tuned", "plan", "run"]

CONFIRMED = 5
"""Seeds of the suite that is written, at least."""


class Tuned(NamedTuple):
    """What a search found.

    best: of the trials that reached the last rung. entries: every trial at every rung. file: a suite with the best
    settings, which `bench` reads.
    """

    best: Entry
    entries: list[Entry]
    file: Path


def run(plan: Plan, task: Task | None = None, say: Callable[[str], None] = print) -> Tuned:
    """Search, or go on after the last rung of a search that was stopped; writes `trials.csv` and `tuned.toml`.

    task: default that of the plan's name. Raises InputError where no trial reaches the last rung without diverging.
    """
    compilation.keep()
    if jax.process_count() > 1:
        raise InputError("a search runs in one process, on all of its devices; start it without jax.distributed")
    with claimed(plan.out):
        task = jobs.loaded(plan.task, say) if task is None else task
        check_actions(plan.card, task.env.spec)
        log = Log(plan.out, plan.identity(task), [axis.name for axis in plan.space])
        full = sum(plan.sizes) * len(plan.seeds) * plan.updates[-1]
        rungs = ", ".join(f"{update:,}" for update in plan.updates)
        say(
            f"{sum(plan.sizes)} trials x {len(plan.seeds)} seeds, rungs at {rungs} updates: "
            f"{plan.total:,} updates in all, {full:,} without rungs"
        )
        (evolve if plan.search == "pbt" else halve)(plan, task, log, say)
        shutil.rmtree(plan.out / "checkpoints", ignore_errors=True)
        ended = [one for one in log.entries if one.value is not None and one.rung == len(plan.updates) - 1]
        if not ended:
            raise InputError(f"every trial diverged, see {plan.out / 'trials.csv'}; narrow the --space")
        best = max(ended, key=lambda one: one.rank)
        file = plan.out / "tuned.toml"
        files.write(file, tuned(plan, best))
    return Tuned(best, log.entries, file)


def tuned(plan: Plan, best: Entry) -> str:
    """The text of a suite that runs the best settings."""
    seeds = f"seeds {plan.seeds[0]} to {plan.seeds[-1]}" if len(plan.seeds) > 1 else f"seed {plan.seeds[0]}"
    notes = [f"The best of {sum(plan.sizes)} trials, by their mean over {seeds}: those below are others."]
    if plan.search == "pbt":
        notes.append("Numbers that the best member of a population ended with; on the way it had others.")
    return suite(
        plan.card.name, plan.task, {**plan.fixed, **best.values}, notes, updates=plan.updates[-1],
        seeds=max(len(plan.seeds), CONFIRMED), checkpoints=min(10, plan.updates[-1]), episodes=plan.episodes,
    )  # fmt: skip
