"""Population-based training as a search: those that do worst go on from one that does best, with changed numbers.

Jaderberg et al. 2017, arXiv:1711.09846: truncation selection, then each number is perturbed or drawn anew.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxrl.core.check import InputError
from jaxrl.core.types import Search


class Population(NamedTuple):
    """Where P members stand in the box [D].

    points: [P, D], as last told. parents: [P], the member whose place each takes next, its own where it keeps it.
    key: of the draws of parents. generation: how often values were told. best, value: the best point told so far.
    """

    points: Float[Array, "P D"]
    parents: Int[Array, "P"]
    key: Any
    generation: Any
    best: Array
    value: Array


def times(points, factors):
    """Coordinates multiplied by factors."""
    return points * factors


def population_based(
    dimensions: int, size: int, *, share: float = 0.2, factors: tuple[float, float] = (0.8, 1.2),
    resample: float = 0.25, change: Callable[[Array, Array], Array] = times,
) -> Search:  # fmt: skip
    """A population of `size` on the unit box; whoever trains it copies the states of `parents` before it goes on.

    share: of members at either end; one of the lowest values is the parent of each of the highest, and of any that is
    not finite. resample: probability with which a copied number is drawn anew, not multiplied by one of the factors.
    change: (points [P, D], factors [P, D]) -> points, what multiplying means where the box stands for other units.
    Raises InputError where no two members could differ.
    """
    if size < 2 or not 0 < share <= 0.5:
        raise InputError(
            f"a population of {size} with share={share} has nobody to copy; take 2 or more, 0 < share <= 0.5"
        )
    ends, places = max(int(share * size), 1), jnp.arange(size)

    def init(key):
        k_points, k_parents = jax.random.split(key)
        points = jax.random.uniform(k_points, (size, dimensions))
        return Population(points, places, k_parents, jnp.int32(0), points[0], jnp.float32(jnp.inf))

    def ask(key, state):
        k_factor, k_fresh, k_which = jax.random.split(key, 3)
        shape = (size, dimensions)
        moved = change(state.points[state.parents], jax.random.choice(k_factor, jnp.asarray(factors), shape))
        fresh = jax.random.bernoulli(k_fresh, resample, shape)
        copied = jnp.where(fresh, jax.random.uniform(k_which, shape), jnp.clip(moved, 0, 1))
        return jnp.where((state.parents != places)[:, None], copied, state.points)

    def tell(state, points, values):
        values = jnp.where(jnp.isfinite(values), values, jnp.inf)
        order = jnp.argsort(values)
        sound = jnp.isfinite(values).sum()
        lost = (jnp.argsort(order) >= size - ends) | ~jnp.isfinite(values)
        draws = jax.random.randint(
            jax.random.fold_in(state.key, state.generation), (size,), 0, jnp.clip(sound, 1, ends)
        )
        parents = jnp.where(lost & (sound > 0), order[draws], places)
        better = values[order[0]] < state.value
        best = jnp.where(better, points[order[0]], state.best)
        lowest = jnp.minimum(values[order[0]], state.value)
        return Population(points, parents, state.key, state.generation + 1, best, lowest)

    return Search(init, ask, tell)
