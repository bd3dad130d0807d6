"""Environments that show a goal beside their observation, and pay for being near it."""

import jax
import jax.numpy as jnp

from jaxrl.core.types import Env


def reaching(env: Env, radius: float, size: int = 2) -> Env:
    """An environment whose goal is drawn at every reset: the first observation of another episode.

    Observations become [state, goal], twice as long; the reward is 1 where the first `size` numbers of the state lie
    within `radius` of the goal's, else 0; nothing terminates but what did.
    """
    spec = env.spec._replace(obs=2 * env.spec.obs, name=f"{env.spec.name}, any goal")

    def shown(timestep, goal, reward):
        return timestep._replace(obs=jnp.concatenate([timestep.obs, goal]), reward=reward)

    def reset(key, params):
        k_goal, k_start = jax.random.split(key)
        goal = env.reset(k_goal, params)[1].obs
        state, timestep = env.reset(k_start, params)
        return (state, goal), shown(timestep, goal, jnp.zeros(()))

    def step(key, params, state, action):
        inner, goal = state
        inner, timestep = env.step(key, params, inner, action)
        near = jnp.sum(jnp.square(timestep.obs - goal)[:size]) <= radius**2
        return (inner, goal), shown(timestep, goal, near.astype(jnp.float32))

    return Env(spec, env.params, reset, step)
