"""Pessimism by lower confidence bounds in bandits, contextual bandits and discounted processes (arXiv:2103.12021).

Departures: value iteration uses all data in every backup, where the paper splits them into one fold for each backup
(its proof needs independence, the behaviour does not); the bonus has one factor c in place of the paper's constants
(at c = 1 the bound stays trivial for thousands of steps, 0.02 is a good value for a 4 x 4 grid).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxrl.core.card import Paper, Procedure
from jaxrl.core.check import InputError


class Tally(NamedTuple):
    """What was seen. counts: [S, A, S'] transitions; gains: [S, A] sums of rewards."""

    counts: Array
    gains: Array


class Pessimistic(NamedTuple):
    """value: [S], a lower bound on the policy's; policy: [S] actions."""

    value: Array
    policy: Array


def tally(state: Int[Array, "B"], action, reward, following, states: int, actions: int) -> Tally:
    """Counts and sums of logged steps; every argument but the last two is [B]."""
    counts = jnp.zeros((states, actions, states)).at[state, action, following].add(1.0)
    return Tally(counts, jnp.zeros((states, actions)).at[state, action].add(reward))


def _lower(counts: Float[Array, "... A"], gains: Float[Array, "... A"], level, c):
    bounds = gains / jnp.maximum(counts, 1) - c * jnp.sqrt(level / (2 * jnp.maximum(counts, 1)))
    return jnp.where(counts > 0, bounds, -jnp.inf)


def mab_lcb(counts: Float[Array, "A"], gains: Float[Array, "A"], c=1.0) -> Int[Array, ""]:
    """The arm with the highest lower bound, mean - c sqrt(log(2 A N) / (2 n)); an arm never seen comes last.

    counts: how often each arm was played; gains: sum of its rewards, in [0, 1] each (arXiv:2103.12021, Algorithm 1,
    with confidence 1 - 1/N).
    """
    return _lower(counts, gains, jnp.log(2 * counts.size * jnp.maximum(counts.sum(), 1)), c).argmax()


def cb_lcb(counts: Float[Array, "S A"], gains: Float[Array, "S A"], c=1.0) -> Int[Array, "S"]:
    """`mab_lcb` in every context, the bound holding for all contexts at once (Algorithm 2)."""
    return _lower(counts, gains, jnp.log(2 * counts.size * jnp.maximum(counts.sum(), 1)), c).argmax(axis=1)


def imitation(counts: Float[Array, "... A"]) -> Int[Array, "..."]:
    """The action played most, the baseline that is exponentially good on near-expert data."""
    return counts.argmax(axis=-1)


def vi_lcb(seen: Tally, discount: float, c=0.02, iterations: int | None = None) -> Pessimistic:
    """Value iteration on the empirical process less the bonus c / (1 - discount) sqrt(log(2 S A N) / n), monotone in
    each backup: a state's action changes only where its lower bound does not fall (Algorithm 3). Rewards in [0, 1].

    iterations: log(N) / (1 - discount) as in the paper where None. Begins from the action played most.
    InputError for a discount outside [0, 1).
    """
    if not 0 <= discount < 1:
        raise InputError(f"vi_lcb needs a discount of at least 0 and below 1, not {discount}")
    visits = seen.counts.sum(axis=2)
    total, n = visits.sum(), jnp.maximum(visits, 1)
    model = seen.counts / n[..., None]
    penalty = c / (1 - discount) * jnp.sqrt(jnp.log(2 * visits.size * jnp.maximum(total, 1)) / n)

    def backup(_, now: Pessimistic):
        q = seen.gains / n - penalty + discount * jnp.einsum("sat,t->sa", model, now.value)
        better = q.max(axis=1) >= now.value
        return Pessimistic(jnp.where(better, q.max(axis=1), now.value), jnp.where(better, q.argmax(axis=1), now.policy))

    start = Pessimistic(jnp.zeros(len(visits)), imitation(visits))
    count = iterations or jnp.ceil(jnp.log(jnp.maximum(total, 2)) / (1 - discount)).astype(jnp.int32)
    return jax.lax.fori_loop(0, count, backup, start)


def concentrability(data: Float[Array, "S A"], policy: Float[Array, "S A"]) -> Float[Array, ""]:
    """C*: the largest ratio of the policy's share of visits to the data's; infinite where the data lack what it does.

    Both arguments are distributions over pairs of state and action.
    """
    ratio = policy / jnp.where(data > 0, data, 1)
    return jnp.where(policy > 0, jnp.where(data > 0, ratio, jnp.inf), 0).max()


CARD = Procedure(
    "vi_lcb",
    "tabular",
    (vi_lcb, cb_lcb, mab_lcb, imitation, concentrability, tally),
    Paper(
        "arXiv:2103.12021",
        "Bridging Offline Reinforcement Learning and Imitation Learning: A Tale of Pessimism",
        "Rashidinejad, Paria and Zhu, Banghua and Ma, Cong and Jiao, Jiantao and Russell, Stuart",
        2021,
    ),
)
