"""A small process with known values, and logs of it, for the tests of this folder."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.envs.tabular import MDP
from jaxrl.ope.log import Log

DISCOUNT, STEPS, STATES, ACTIONS = 0.9, 4, 5, 2


class Played(NamedTuple):
    """state, action, following: [N, T]; log: Log [N, T]."""

    state: jax.Array
    action: jax.Array
    following: jax.Array
    log: Log


def process(seed: int = 0, discount: float = DISCOUNT) -> MDP:
    """Five states, two actions, random moves and rewards; state 4 is the end: it pays nothing and is never left."""
    draw = np.random.default_rng(seed)
    transition = draw.dirichlet(np.full(STATES, 0.6), (STATES, ACTIONS))
    transition[-1] = np.eye(STATES)[-1]
    reward = draw.normal(size=(STATES, ACTIONS)) + 0.5
    reward[-1] = 0
    start = np.array([0.4, 0.3, 0.2, 0.1, 0.0])
    return MDP(*(jnp.asarray(x, jnp.float32) for x in (transition, reward, start, discount)))


def policies(seed: int = 1) -> tuple[jax.Array, jax.Array]:
    """(behaviour, evaluation), each [S, A], different but with full support."""
    draw = np.random.default_rng(seed)
    return tuple(jnp.asarray(draw.dirichlet(np.full(ACTIONS, 3.0), STATES), jnp.float32) for _ in range(2))


def values(mdp: MDP, policy, steps: int = STEPS):
    """(value of the first state, q [T, S, A] with t steps taken) of a policy over a fixed number of steps."""
    ahead, out = jnp.zeros(STATES), []
    for _ in range(steps):
        q = mdp.reward + mdp.discount * jnp.einsum("sat,t->sa", mdp.transition, ahead)
        ahead = (policy * q).sum(1)
        out.append(q)
    return float((mdp.start * ahead).sum()), jnp.stack(out[::-1])


@functools.partial(jax.jit, static_argnames=("episodes", "steps"))
def play(key, mdp: MDP, behaviour, evaluation, episodes: int, steps: int = STEPS) -> Played:
    """Episodes of the behaviour policy, logged with both policies' probabilities."""

    def one(key):
        def step(state, key):
            k_act, k_move = jax.random.split(key)
            action = jax.random.categorical(k_act, jnp.log(behaviour[state]))
            following = jax.random.categorical(k_move, jnp.log(mdp.transition[state, action]))
            return following, (state, action, following, mdp.reward[state, action])

        first = jax.random.categorical(jax.random.fold_in(key, 0), jnp.log(mdp.start))
        return jax.lax.scan(step, first, jax.random.split(jax.random.fold_in(key, 1), steps))[1]

    state, action, following, reward = jax.vmap(one)(jax.random.split(key, episodes))
    there = (state < STATES - 1).astype(jnp.float32)
    of = lambda policy: jnp.where(there > 0, policy[state, action], 1.0)
    return Played(state, action, following, Log(reward * there, of(evaluation), of(behaviour), there))


def at(q, policy, played: Played):
    """(q, v) [N, T] of logged steps from values by time, q [T, S, A]."""
    time = jnp.arange(q.shape[0])[None]
    return q[time, played.state, played.action], (q * policy[None]).sum(2)[time, played.state]
