"""Effective horizon of finite deterministic tasks: how far one must look ahead of random behaviour. arXiv:2304.09853.

Exact dynamic programming over all states and times, so only for the tables of `envs.tabular`. The papers' extension to
stochastic tasks is not here, nor the tighter bounds of the first one's appendix C.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.core.check import InputError, positive
from jaxrl.envs.tabular import MDP

SAME = 1e-4
"""Returns closer than that, as a share of the largest, count as equal."""


class EffectiveHorizon(NamedTuple):
    """look: the smallest k for which acting greedily after k - 1 backups of random behaviour's Q is optimal, whatever
    the choice among equals; 0 where no k up to the limit is. bound: theorem 5.4's, the least of k + log_A m_k, where
    m_k rollouts of each of A^k action sequences suffice; never above the horizon."""

    look: int
    bound: float


def effective_horizon(mdp: MDP, horizon: int, most: int | None = None) -> EffectiveHorizon:
    """Effective horizon of an undiscounted, deterministic task of `horizon` steps that starts where mdp.start says.

    The mdp's discount is not used. most: largest k that is tried, default all. Raises InputError for transitions that
    are not deterministic and for a horizon below one.
    """
    positive("the horizon", horizon)
    transition = np.asarray(mdp.transition)
    if not np.isin(transition, (0.0, 1.0)).all():
        share = transition[(transition > 0) & (transition < 1)][0]
        raise InputError(f"a transition has probability {share:.4g}; the effective horizon is of deterministic tasks")
    following, reward = jnp.asarray(transition.argmax(-1)), jnp.asarray(mdp.reward)
    values = _values(following, reward, horizon)
    start = jnp.asarray(mdp.start) > 0
    q, variance = values.random, (values.random - values.worst) * (values.best - values.worst)
    look, bound = 0, float(horizon)
    for k in range(1, 1 + min(horizon, most or horizon)):
        strict, loose, rollouts = _tried(following, start, values.best, q, variance, k)
        look = k if strict and not look else look
        if loose:
            bound = min(bound, k + float(np.log(rollouts) / np.log(max(2, reward.shape[1]))))
        if look and k >= bound:
            break
        q, variance = _backup(following, reward, q, variance)
    return EffectiveHorizon(look, bound)


class _Values(NamedTuple):
    """Q of random, of best and of worst behaviour; [T, S, A] each."""

    random: jax.Array
    best: jax.Array
    worst: jax.Array


@jax.jit(static_argnames="horizon")
def _values(following, reward, horizon: int) -> _Values:
    """Backward induction for three behaviours."""

    def back(reduce):
        def step(q, _):
            q = reward + reduce(q)[following]
            return q, q

        first = reward
        rest = jax.lax.scan(step, first, length=horizon - 1)[1]
        return jnp.concatenate([first[None], rest])[::-1]

    return _Values(*(back(lambda q, f=f: f(q, -1)) for f in (jnp.mean, jnp.max, jnp.min)))


@jax.jit
def _backup(following, reward, q, variance):
    """One step of value iteration at every time but the last, and the largest variance bound one step on."""
    onward = reward[None] + q.max(-1)[1:][:, following]
    wider = variance.max(-1)[1:][:, following]
    return jnp.concatenate([onward, q[-1:]]), jnp.concatenate([wider, variance[-1:]])


@jax.jit
def _tried(following, start, best, q, variance, k):
    """Whether greedy choices are all optimal; whether the best optimal one stands above all others; rollouts then."""
    horizon, _, actions = q.shape
    slack = SAME * jnp.abs(best).max()
    optimal = best >= best.max(-1, keepdims=True) - slack
    other = jnp.where(optimal, -jnp.inf, q).max(-1)
    gap = q.max(-1) - other
    rollouts = 16 * variance.max(-1) / jnp.square(gap) * (jnp.log(2.0 * horizon) + k * jnp.log(actions))
    greedy, above = q >= q.max(-1, keepdims=True) - slack, q > other[..., None]

    def visited(taken):
        def step(here, takes):
            return (jnp.zeros_like(here).at[following].max(here[:, None] & takes)), here

        return jax.lax.scan(step, start, taken)[1]

    strict = ~(visited(greedy)[..., None] & greedy & ~optimal).any()
    seen = visited(above)
    return strict, ~(seen & (gap <= slack)).any(), jnp.maximum(jnp.ceil(jnp.where(seen, rollouts, 0)).max(), 1)
