"""IWOCS: a robust policy from a sequence of ordinary problems, each the worst for the policy before (arXiv:2410.06212).

Departures: the version with exact values only; the deep one, whose critics need a mask of what each has seen, is left.
The search is the cross-entropy method where the paper has CMA-ES.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrl.compose import search as searches
from jaxrl.core.card import Paper, Procedure
from jaxrl.core.check import positive
from jaxrl.core.types import Search
from jaxrl.envs import tabular
from jaxrl.envs.tabular import MDP


class Robust(NamedTuple):
    """policy: [S, A]; value: the lowest of the optimal values found, at the start; worst: the policy's value in the
    worst problem found last; problems: [I, D], points of the box in the order in which they were added."""

    policy: Array
    value: Array
    worst: Array
    problems: Array


def iwocs(
    key, family: Callable[[Array], MDP], nominal: Float[Array, "D"], *, search: Search | None = None, rounds: int = 30,
    most: int = 10, tolerance: float = 1e-4,
) -> Robust:  # fmt: skip
    """Acts by the lowest of the optimal values of the problems so far, then adds the problem that is worst for that.

    family: a point of the unit box -> a process; nominal: the point to begin with. Stops after `most` problems, or
    where the worst is not worse than what was expected by more than the tolerance.
    """
    search = search or searches.cross_entropy(len(nominal))
    solve = jax.jit(lambda point: tabular.value_iteration(family(point)))

    def worth(policy, point):
        mdp = family(point)
        return mdp.start @ tabular.evaluate(mdp, policy)[0]

    @jax.jit
    def weakness(key, policy):
        each = jax.vmap(lambda point: worth(policy, point))
        return searches.lowest(key, search, each, rounds)

    start = family(nominal).start
    points, q = [nominal], solve(nominal)
    for index in range(positive("most", most)):
        policy = tabular.greedy(q)
        expected = start @ q.max(axis=1)
        point, worst = weakness(jax.random.fold_in(key, index), policy)
        if worst >= expected - tolerance or len(points) == most:
            break
        points.append(point)
        q = jnp.minimum(q, solve(point))
    return Robust(policy, expected, worst, jnp.stack(points))


def randomised(key, family: Callable[[Array], MDP], dimensions: int, draws: int = 64) -> Float[Array, "S A"]:
    """Domain randomisation, the baseline: the optimal policy of the mean of processes drawn evenly from the box."""
    many = jax.vmap(family)(jax.random.uniform(key, (draws, dimensions)))
    return tabular.greedy(tabular.value_iteration(jax.tree.map(lambda x: x.mean(axis=0), many)))


def robust_values(family: Callable[[Array], MDP], points: Float[Array, "P D"], iterations: int = 1000):
    """Robust Q [S, A] by exact value iteration, every state and action having the worst of the given problems."""
    many = jax.vmap(family)(points)

    def backup(_, q):
        ahead = many.discount[:, None, None] * jnp.einsum("psat,t->psa", many.transition, q.max(axis=1))
        return (many.reward + ahead).min(axis=0)

    return jax.lax.fori_loop(0, iterations, backup, jnp.zeros_like(many.reward[0]))


def windy(strength: Float[Array, "5"], discount: float = 0.95) -> MDP:
    """Five corridors of five cells to the lower right one, the goal, which pays 1 for ever; the further up, the calmer.

    In corridor i (0 at the top) a step right becomes one left with probability strength_i (0.1 + 0.2 i). Actions are
    right, up, down, left; starts are even over the other cells, so that every corridor matters.
    """
    side, cells = 5, jnp.arange(25)
    row, column = cells // side, cells % side
    at = lambda r, c: jnp.clip(r, 0, side - 1) * side + jnp.clip(c, 0, side - 1)
    up, down, left, right = at(row - 1, column), at(row + 1, column), at(row, column - 1), at(row, column + 1)
    to = lambda cell: jax.nn.one_hot(cell, side * side)
    wind = (strength * (0.1 + 0.2 * jnp.arange(side)))[row][:, None]
    moves = jnp.stack([(1 - wind) * to(right) + wind * to(left), to(up), to(down), to(left)], axis=1)
    goal = side * side - 1
    moves = moves.at[goal].set(to(jnp.full(4, goal)))
    start = jnp.full(side * side, 1 / goal).at[goal].set(0.0)
    return MDP(moves, jnp.zeros((side * side, 4)).at[goal].set(1.0), start, jnp.float32(discount))


CARD = Procedure(
    "iwocs",
    "search",
    (iwocs, randomised, robust_values, windy),
    Paper(
        "arXiv:2410.06212",
        "Solving Robust MDPs as a Sequence of Static RL Problems",
        "Adil Zouitine and Matthieu Geist and Emmanuel Rachelson",
        2024,
    ),
)
