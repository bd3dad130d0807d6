"""Environments whose observations carry noise."""

import functools
from typing import Any, NamedTuple

import jax

from jaxrl.core.types import Env, Timestep


class Noise(NamedTuple):
    """params: of the environment inside; std: of the noise on each number observed, in its own units; traced."""

    params: Any
    std: Any


def noisy(env: Env, std) -> Env:
    """The environment with fresh Gaussian noise on every observation; dynamics and rewards do not notice."""
    reset, step = _functions(env.reset, env.step)
    return Env(env.spec, Noise(env.params, std), reset, step)


@functools.lru_cache(maxsize=64)
def _functions(inner_reset, inner_step):
    def seen(key, std, timestep: Timestep):
        return timestep._replace(obs=timestep.obs + std * jax.random.normal(key, timestep.obs.shape))

    def reset(key, params):
        k_reset, k_noise = jax.random.split(key)
        state, timestep = inner_reset(k_reset, params.params)
        return state, seen(k_noise, params.std, timestep)

    def step(key, params, state, action):
        k_step, k_noise = jax.random.split(key)
        state, timestep = inner_step(k_step, params.params, state, action)
        return state, seen(k_noise, params.std, timestep)

    return reset, step
