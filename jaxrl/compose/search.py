"""Search of a box for the lowest value of a function that is only asked at points."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrl.core.types import Search


class Belief(NamedTuple):
    """A Gaussian over the box [D], and the best point so far with its value."""

    mean: Any
    std: Any
    best: Array
    value: Array


def cross_entropy(dimensions: int, *, population: int = 64, elites: int = 8, inertia: float = 0.1) -> Search:
    """The cross-entropy method on the unit box, points beyond it moved to its edge (Rubinstein & Kroese 2004).

    inertia: what share of the old mean and std is kept at each step.
    """

    def init(key):
        middle = jnp.full(dimensions, 0.5)
        return Belief(middle, middle, middle, jnp.float32(jnp.inf))

    def ask(key, state):
        noise = jax.random.normal(key, (population, dimensions))
        return jnp.clip(state.mean[None] + state.std[None] * noise, 0, 1)

    def tell(state, points, values):
        chosen = points[jnp.argsort(values)[:elites]]
        blend = lambda old, new: inertia * old + (1 - inertia) * new
        found, value = chosen[0], values.min()
        best = jnp.where(value < state.value, found, state.best)
        return Belief(
            blend(state.mean, chosen.mean(axis=0)),
            blend(state.std, chosen.std(axis=0)),
            best,
            value.clip(max=state.value),
        )

    return Search(init, ask, tell)


def lowest(key, search: Search, function, rounds: int) -> tuple[Float[Array, "D"], Float[Array, ""]]:
    """(point, value) of the lowest found in a number of rounds; function: points [P, D] -> values [P]."""

    def one(state, key):
        points = search.ask(key, state)
        return search.tell(state, points, function(points)), None

    state, _ = jax.lax.scan(one, search.init(key), jax.random.split(key, rounds))
    return state.best, state.value
