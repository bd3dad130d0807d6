"""Successive halving of trials that a sampler proposes: the best of each rung go on from where they stand.

Jamieson & Talwalkar 2016, arXiv:1502.07943. Samplers learn from one batch to the next.
"""

from collections.abc import Callable

from jaxrl.core.types import Task
from jaxrl.tune import space as spaces
from jaxrl.tune.log import Entry, Log
from jaxrl.tune.plans import Plan
from jaxrl.tune.proposals import propose
from jaxrl.tune.trials import Asked, Trials


def halve(plan: Plan, task: Task, log: Log, say: Callable[[str], None]) -> None:
    """All batches that the log lacks; what they come to is added to it."""
    for batch, size in enumerate(plan.sizes):
        if batch < log.batches:
            continue
        first = sum(plan.sizes[:batch])
        if len(log.proposals) == batch:
            own = spaces.defaults(plan.card, plan.space) if batch == 0 else None
            start = [] if own is None else [own]
            count, rungs = size - len(start), len(plan.updates)
            log.propose(start + propose(plan.space, plan.sampler, plan.seed + batch, count, log.entries, rungs))
        climb(plan, task, batch, [Asked(first + i, one) for i, one in enumerate(log.proposals[batch])], log, say)


def climb(plan: Plan, task: Task, batch: int, alive: list[Asked], log: Log, say: Callable[[str], None]) -> None:
    """A batch's trials, rung after rung."""
    reached = 0
    with Trials(plan, task, batch, [one.values for one in alive], say) as trials:
        for rung, update in enumerate(plan.updates):
            entries = trials.advance(rung, alive, update, reached)
            log.add(entries)
            say(line(plan, batch, rung, entries))
            chosen = best(entries, max(len(entries) // plan.eta, 1))
            alive, reached = [one for one in alive if one.trial in chosen], update
            if not alive:
                break
    log.close()
    trials.forget()


def best(entries: list[Entry], count: int) -> set[int]:
    """The trials of the highest values; those that diverged are never among them."""
    sound = sorted((one for one in entries if one.value is not None), key=lambda one: (-one.rank, one.trial))
    return {one.trial for one in sound[:count]}


def line(plan: Plan, batch: int, rung: int, entries: list[Entry]) -> str:
    """What a rung brought."""
    lost = sum(one.value is None for one in entries)
    top = max(entries, key=lambda one: one.rank)
    where = f"batch {batch + 1}/{len(plan.sizes)}, " if len(plan.sizes) > 1 else ""
    found = "none is finite" if top.value is None else f"best {top.value:.1f} ({spaces.text(top.values)})"
    broken = f", {lost} diverged" if lost else ""
    return (
        f"[{where}rung {rung + 1}/{len(plan.updates)}] {len(entries)} trials at {entries[0].updates:,}: {found}{broken}"
    )
