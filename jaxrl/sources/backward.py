"""Steps the other way round, and imagined ways into logged states."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxrl.core.tree import take
from jaxrl.core.types import Dataset, Source, Transition


def exchanged(dataset: Dataset) -> Dataset:
    """The dataset with observations and their successors exchanged, for models that predict what came before."""
    steps = dataset.steps
    return dataset._replace(steps=steps._replace(obs=steps.next_obs, next_obs=steps.obs))


def ways_in(
    key, dataset: Dataset, imagine: Callable, *, starts: int, horizon: int, along: float, noise: float
) -> tuple[jax.Array, jax.Array]:
    """(obs, action) [starts * horizon, ...] of steps that lead back into logged states, one after the other.

    imagine: (key, obs [N, D], action [N, A]) -> Transition of a reversed model. From each of `starts` random states an
    action of the data is chosen and held: each step back takes `along` times it plus Gaussian noise of that size, cut
    to [-1, 1]. Source: COCOA (arXiv:2404.04682, section 3.2).
    """
    k_state, k_direction, k_steps = jax.random.split(key, 3)
    draw = lambda key: jax.random.randint(key, (starts,), 0, dataset.last.shape[0])
    direction = take(dataset.steps.action, draw(k_direction))

    def step(obs, time):
        k_noise, k_model = jax.random.split(jax.random.fold_in(k_steps, time))
        action = jnp.clip(along * direction + noise * jax.random.normal(k_noise, direction.shape), -1, 1)
        before = imagine(k_model, obs, action).next_obs
        return before, (before, action)

    _, pairs = jax.lax.scan(step, take(dataset.steps.obs, draw(k_state)), jnp.arange(horizon))
    obs, action = (x.reshape(-1, x.shape[-1]) for x in pairs)
    return obs, action


def pairs(rows: tuple[jax.Array, jax.Array], batch: int) -> Source:
    """Even draws of `rows`, (obs, action) [N, ...], as steps of which nothing else is known."""

    obs, action = rows

    def next(key, feed, policy):
        row = jax.random.randint(key, (batch,), 0, obs.shape[0])
        seen, taken, zero = obs[row], action[row], jnp.zeros(batch)
        return feed, Transition(seen, taken, zero, seen, taken, zero, zero, zero + 1)

    return Source(lambda key: (), next)
