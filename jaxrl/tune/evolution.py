"""Population-based training: all members train side by side, and the worst go on from the best, again and again."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxrl.compose.population import population_based
from jaxrl.core.types import Task
from jaxrl.tune.halving import line
from jaxrl.tune.log import Log
from jaxrl.tune.plans import Plan
from jaxrl.tune.space import Space
from jaxrl.tune.trials import Asked, Trials


def changed(space: Space) -> Callable:
    """(points [P, D] of the unit box, factors [P, D]) -> points of the values times the factors, in their own units."""

    def change(points, factors):
        return jnp.stack([axis.times(points[:, i], factors[:, i]) for i, axis in enumerate(space)], axis=1)

    return change


def evolve(plan: Plan, task: Task, log: Log, say: Callable[[str], None]) -> None:
    """The whole training of a population, unless the log has it already; what it comes to is added to it."""
    if log.batches:
        return
    search = population_based(len(plan.space), plan.sizes[0], change=changed(plan.space))
    key, reached = jax.random.key(plan.seed), 0
    ask, tell, state = jax.jit(search.ask), jax.jit(search.tell), search.init(jax.random.fold_in(key, 0))
    with Trials(plan, task, 0, [], say) as trials:
        for rung, update in enumerate(plan.updates):
            points = ask(jax.random.fold_in(key, rung + 1), state)
            asked = [
                Asked(
                    trial, {axis.name: axis.at(x) for axis, x in zip(plan.space, point, strict=True)},
                    -1 if parent == trial else parent,
                )
                for trial, (point, parent) in enumerate(zip(points.tolist(), state.parents.tolist(), strict=True))
            ]  # fmt: skip
            entries = trials.advance(rung, asked, update, reached)
            log.add(entries)
            say(line(plan, 0, rung, entries))
            state, reached = tell(state, points, jnp.array([-one.rank for one in entries])), update
            if all(one.value is None for one in entries):
                break
    log.close()
    trials.forget()
