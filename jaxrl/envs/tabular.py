"""Finite Markov decision processes as pytrees, with exact solvers: oracles for tests and tables."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxrl.core.types import Env, Spec
from jaxrl.envs.control import timed


class MDP(NamedTuple):
    """transition: [S, A, S'], rows sum to one; reward: [S, A]; start: [S]; here S counts states, A actions."""

    transition: Any
    reward: Any
    start: Any
    discount: Any


def value_iteration(mdp: MDP, iterations: int = 1000) -> Float[Array, "S A"]:
    """Optimal Q, exact up to discount^iterations."""

    def backup(_, q):
        return mdp.reward + mdp.discount * jnp.einsum("sat,t->sa", mdp.transition, q.max(axis=1))

    return jax.lax.fori_loop(0, iterations, backup, jnp.zeros_like(mdp.reward))


def evaluate(mdp: MDP, policy: Float[Array, "S A"]) -> tuple[Float[Array, "S"], Float[Array, "S A"]]:
    """(v, Q) of a policy of probabilities, by a linear solve: v = (I - discount P)^-1 r; discount below 1."""
    moves = jnp.einsum("sa,sat->st", policy, mdp.transition)
    gains = jnp.einsum("sa,sa->s", policy, mdp.reward)
    v = jnp.linalg.solve(jnp.eye(len(gains)) - mdp.discount * moves, gains)
    return v, mdp.reward + mdp.discount * jnp.einsum("sat,t->sa", mdp.transition, v)


def greedy(q: Float[Array, "S A"]) -> Float[Array, "S A"]:
    """The policy that takes the best action with probability one; the first of equals."""
    return jax.nn.one_hot(q.argmax(axis=1), q.shape[1])


def chain(states: int = 5, discount: float = 0.9) -> MDP:
    """States in a row, left (0) or right (1); reward 1 for each step right at the last state, start at the first."""
    here = np.arange(states)
    transition = np.zeros((states, 2, states), np.float32)
    transition[here, 0, np.maximum(here - 1, 0)] = 1
    transition[here, 1, np.minimum(here + 1, states - 1)] = 1
    reward = np.zeros((states, 2), np.float32)
    reward[-1, 1] = 1
    return _mdp(transition, reward, np.eye(states)[0], discount)


def grid(layout: str, discount: float = 0.95, slip: float = 0.0) -> MDP:
    """A maze from a map of '#', 'O' and one 'G'; moves up, down, left, right; states: free cells in reading order.

    A move into a wall stays. With probability `slip` the move is a random one. The goal pays 1 a step and is never
    left; starts are uniform over the other cells.
    """
    cells = np.array([list(line) for line in layout.splitlines()])
    free = [tuple(cell) for cell in np.argwhere(cells != "#")]
    index = {cell: i for i, cell in enumerate(free)}
    goal = index[tuple(np.argwhere(cells == "G")[0])]
    moves = np.zeros((len(free), 4, len(free)), np.float32)
    for (row, column), i in index.items():
        for action, (down, right) in enumerate([(-1, 0), (1, 0), (0, -1), (0, 1)]):
            moves[i, action, index.get((row + down, column + right), i)] = 1
    moves = (1 - slip) * moves + slip * moves.mean(axis=1, keepdims=True)
    moves[goal] = np.eye(len(free))[goal]
    reward = np.zeros((len(free), 4), np.float32)
    reward[goal] = 1
    start = np.ones(len(free)) * (np.arange(len(free)) != goal)
    return _mdp(moves, reward, start / start.sum(), discount)


def _mdp(transition, reward, start, discount: float) -> MDP:
    return MDP(*(np.asarray(x, np.float32) for x in (transition, reward, start, discount)))


def environment(mdp: MDP, horizon: int, name: str = "Tabular-v0") -> Env:
    """The process as an environment: one-hot observations, discrete actions, cut after `horizon` steps."""
    states, actions = mdp.reward.shape
    spec = Spec(name, obs=states, action=actions, horizon=horizon, discrete=True)

    def draw(key, params):
        return jax.random.categorical(key, jnp.log(jnp.asarray(params.start)))

    def move(key, params, state, action):
        following = jax.random.categorical(key, jnp.log(jnp.asarray(params.transition)[state, action]))
        return following, jnp.asarray(params.reward)[state, action], False

    return timed(spec, mdp, draw, move, lambda state: jax.nn.one_hot(state, states))
